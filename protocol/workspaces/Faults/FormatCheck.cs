namespace Marionette.Workspaces;

/// <summary>The first eight bytes of every object: four letters, the version, three zeros.</summary>
internal static class FormatCheck
{
    public static void Header(ReadOnlySpan<byte> content, ReadOnlySpan<byte> expected, string what)
    {
        if (content.Length < 8 || !content[..4].SequenceEqual(expected[..4]))
            throw WorkspaceException.Corrupt($"{what}: this is something else, or was changed.");
        if (content[4] != expected[4])
            throw new WorkspaceException(WorkspaceFault.UnsupportedVersion, $"{what}: format version {content[4]}; this program reads version {expected[4]}.");
        if (!content[..8].SequenceEqual(expected))
            throw WorkspaceException.Corrupt($"{what}: the header was changed.");
    }
}
