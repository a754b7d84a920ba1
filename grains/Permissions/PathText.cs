namespace Marionette.Permissions;

/// <summary>
/// A path in the forms in which globs look at it. Only the text is known here: <c>.</c>, <c>..</c> and doubled slashes are resolved, symbolic links
/// cannot be.
/// </summary>
/// <param name="Absolute">From the root; null when only its place in the workspace is known.</param>
/// <param name="InWorkspace">Relative to the workspace; "" is the workspace itself; null = outside of it.</param>
/// <param name="InHome">Relative to the agent's home; null = outside of it.</param>
internal sealed record PathText(string? Absolute, string? InWorkspace, string? InHome)
{
    /// <summary>Null when the text cannot be a path, or leaves the folder that it starts from.</summary>
    public static PathText? Of(string path, string? workspaceId)
    {
        if (path.Length is 0 or > 4096 || path.Any(char.IsControl)) return null;
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) return Resolve(path[1..]) is { } home ? new(null, null, home) : null;
        if (path[0] == '~') return null; // Somebody's home: whose cannot be known.
        if (path[0] != '/') return Resolve(path) is { } relative ? new(null, relative, null) : null;
        if (Resolve(path) is not { } text) return null;
        var absolute = "/" + text;
        return new(absolute, Under(absolute, workspaceId, "workspace") ?? Below(absolute, "/workspace"), Under(absolute, workspaceId, "home"));
    }

    /// <summary>
    /// A glob from "/" is of absolute paths, one from "~/" of the agent's home, one from "**/" of any place; another one is of the workspace.
    /// </summary>
    public bool IsMatch(string glob)
    {
        if (glob.StartsWith("**", StringComparison.Ordinal))
            return new[] { Absolute?[1..], InWorkspace, InHome }.Any(form => form is not null && Matches(glob, form));
        if (glob.StartsWith('/')) return Absolute is not null && Matches(glob[1..], Absolute[1..]);
        if (glob.StartsWith("~/", StringComparison.Ordinal)) return InHome is not null && Matches(glob[2..], InHome);
        return InWorkspace is not null && Matches(glob, InWorkspace);
    }

    /// <summary>The glob that matches this path alone.</summary>
    public string ToGlob()
    {
        if (InWorkspace is not { Length: > 0 } relative) return InHome is not null ? "~/" + Wildcard.EscapeMost(InHome) : Wildcard.EscapeMost(Absolute ?? "");
        // A folder of the workspace that is called "~" is not the home.
        return relative.StartsWith('~') ? "\\" + Wildcard.EscapeMost(relative) : Wildcard.EscapeMost(relative);
    }

    private static bool Matches(string glob, string path)
    {
        if (glob.EndsWith('/')) glob += "**";
        return Matches(glob.Split('/', StringSplitOptions.RemoveEmptyEntries), path.Split('/', StringSplitOptions.RemoveEmptyEntries));
    }

    private static bool Matches(string[] glob, string[] path)
    {
        int g = 0, p = 0, star = -1, mark = 0;
        while (p < path.Length)
        {
            if (g < glob.Length && glob[g] == "**") (star, mark, g) = (g, p, g + 1);
            else if (g < glob.Length && Wildcard.IsMatch(glob[g], path[p])) (g, p) = (g + 1, p + 1);
            else if (star >= 0) (g, p) = (star + 1, ++mark);
            else return false;
        }

        while (g < glob.Length && glob[g] == "**") g++;
        return g == glob.Length;
    }

    private static string? Resolve(string path)
    {
        var parts = new List<string>();
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == ".") continue;
            if (part != "..") parts.Add(part);
            else if (parts.Count > 0) parts.RemoveAt(parts.Count - 1);
            else if (!path.StartsWith('/')) return null;
        }

        return string.Join('/', parts);
    }

    /// <summary>Providers keep a workspace's files in <c>…/ws_…/workspace</c> and its home beside that.</summary>
    private static string? Under(string absolute, string? workspaceId, string folder)
    {
        if (string.IsNullOrEmpty(workspaceId)) return null;
        var root = $"/{workspaceId}/{folder}";
        var at = absolute.IndexOf(root, StringComparison.Ordinal);
        return at < 0 ? null : Below(absolute[at..], root);
    }

    private static string? Below(string absolute, string root) =>
        absolute == root ? "" : absolute.StartsWith(root + "/", StringComparison.Ordinal) ? absolute[(root.Length + 1)..] : null;
}
