using System.Text;

namespace Marionette.Workspaces;

/// <summary>Which names and targets of an archive are taken.</summary>
internal static class ImportNames
{
    private const int MaxPath = 4096, MostSaid = 200;

    /// <summary>The names of a path, those that are taken off left out; empty: the folder itself.</summary>
    /// <param name="leftOut">There was nothing left of it.</param>
    /// <exception cref="WorkspaceException">Invalid, Limit.</exception>
    public static byte[][] Split(ReadOnlySpan<byte> path, ImportOptions options, out bool leftOut)
    {
        if (path.IsEmpty)
            throw Invalid("An entry has no name.");
        if (path.Contains((byte)0))
            throw Refused(path, "its name has a zero byte");
        if (path.Length > MaxPath)
            throw TooMuch(path, $"its name has {path.Length} bytes; at most {MaxPath} are taken");
        if (path[0] == (byte)'/')
            throw Refused(path, "its name is absolute");
        var names = new List<byte[]>();
        foreach (var part in path.Split((byte)'/'))
        {
            var name = path[part];
            if (name.IsEmpty || name.SequenceEqual("."u8))
                continue;
            if (name.SequenceEqual(".."u8))
                throw Refused(path, "its name has '..'");
            if (name.Length > EntryCodec.MaxName)
                throw TooMuch(path, $"a part of its name has {name.Length} bytes; at most {EntryCodec.MaxName} are taken");
            names.Add(name.ToArray());
        }

        leftOut = options.StripComponents > 0 && names.Count <= options.StripComponents;
        return leftOut ? [] : [.. names.Skip(options.StripComponents)];
    }

    /// <summary>
    /// A symbolic link's target is taken when it is relative and climbs only at its beginning, and no higher than the folder. Links are made in real
    /// folders, so climbing is what it looks like; and names after
    /// that lead down, or through another link of which the same is true.
    /// </summary>
    /// <param name="depth">How many folders the link lies below the root.</param>
    public static void CheckTarget(ReadOnlySpan<byte> path, ReadOnlySpan<byte> target, int depth, ImportOptions options)
    {
        if (target.IsEmpty || target.Contains((byte)0))
            throw Refused(path, "a link without a proper target");
        if (target.Length > EntryCodec.MaxTarget - 1)
            throw TooMuch(path, $"the link's target has {target.Length} bytes; at most {EntryCodec.MaxTarget - 1} are taken");
        if (options.KeepOutwardLinks)
            return;
        if (target[0] == (byte)'/')
            throw Refused(path, $"the link leads out of the folder, to '{Said(target)}'");
        var isBelow = false;
        foreach (var part in target.Split((byte)'/'))
        {
            var name = target[part];
            if (name.SequenceEqual(".."u8))
            {
                if (isBelow)
                    throw Refused(path, $"the link's target '{Said(target)}' has '..' after a name, which may lead out through another link");
                if (--depth < 0)
                    throw Refused(path, $"the link leads out of the folder, to '{Said(target)}'");
            }
            else
            {
                isBelow |= !name.IsEmpty && !name.SequenceEqual("."u8);
            }
        }
    }

    /// <summary>For people: printable, and not endless.</summary>
    public static string Said(ReadOnlySpan<byte> path)
    {
        var text = Encoding.UTF8.GetString(path[..Math.Min(path.Length, MostSaid)]);
        return string.Concat(text.Select(one => char.IsControl(one) ? '\ufffd' : one)) + (path.Length > MostSaid ? "…" : "");
    }

    public static WorkspaceException Refused(ReadOnlySpan<byte> path, string why) => Invalid($"'{Said(path)}' is refused: {why}.");

    public static WorkspaceException TooMuch(ReadOnlySpan<byte> path, string why) => new(WorkspaceFault.Limit, $"'{Said(path)}' is refused: {why}.");

    public static WorkspaceException Invalid(string what) => new(WorkspaceFault.Invalid, what);
}
