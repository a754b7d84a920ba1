namespace Marionette.Agent.Agents.Claude;

/// <summary>The plan that Claude asks to be agreed to. It writes it to a file of its home; the request does not carry it.</summary>
internal static class ClaudePlan
{
    private const int Longest = 64 * 1024;

    /// <param name="home">HOME of Claude.</param>
    /// <param name="said">The plan as the tool call had it; older versions put it there.</param>
    /// <returns>Null when there is none to be found.</returns>
    public static string? Find(string home, string? said)
    {
        if (!string.IsNullOrEmpty(said))
            return said;
        try
        {
            var newest = new DirectoryInfo(Path.Combine(home, ".claude", "plans")).EnumerateFiles("*.md")
                .Where(file => file is { LinkTarget: null, Length: > 0 and <= Longest })
                .MaxBy(file => file.LastWriteTimeUtc);
            return newest is null ? null : File.ReadAllText(newest.FullName);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
