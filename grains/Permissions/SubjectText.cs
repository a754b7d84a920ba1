namespace Marionette.Permissions;

/// <summary>Paths and hosts that a command's words may mean. For denials and risks: it finds too many rather than too few.</summary>
internal static class SubjectText
{
    /// <summary>The word itself, and what follows an option's "=" or a "name:".</summary>
    public static IEnumerable<PathText> PathsOf(string word, string? workspaceId)
    {
        foreach (var text in Pieces(word))
        {
            var home = text.StartsWith("$HOME", StringComparison.Ordinal) ? "~" + text[5..] : text.StartsWith("${HOME}", StringComparison.Ordinal) ? "~" + text[7..] : text;
            if (PathText.Of(home, workspaceId) is { } path) yield return path;
            else if (Trimmed(home) is { } rest && PathText.Of(rest, workspaceId) is { } beyond) yield return beyond;
        }
    }

    public static IEnumerable<string> HostsOf(ShellScript script)
    {
        foreach (var word in script.Commands.SelectMany(c => c.Words))
        {
            if (word.Contains("://", StringComparison.Ordinal))
            {
                if (Uri.TryCreate(word[(word.IndexOf("://", StringComparison.Ordinal) is var at && word.LastIndexOf('=', at) is var equals ? equals + 1 : 0)..], UriKind.Absolute, out var url)
                    && url.Host.Length > 0) yield return url.Host;
                continue;
            }

            var name = word[(word.LastIndexOf('@') + 1)..].Split('/', ':')[0];
            if (name.Contains('.') && name.Length > 3 && !name.StartsWith('.') && !word.StartsWith('-') && HostText.Normalize(name) is { } host
                && (char.IsAsciiLetter(host[^1]) || System.Net.IPAddress.TryParse(host, out _))) yield return host;
        }
    }

    private static IEnumerable<string> Pieces(string word)
    {
        yield return word;
        for (var i = 0; i < word.Length - 1; i++)
            if (word[i] is '=' or ':' or '@') yield return word[(i + 1)..];
    }

    /// <summary>A relative path that leaves its folder: what comes after that, wherever it is.</summary>
    private static string? Trimmed(string path)
    {
        var at = path.LastIndexOf("../", StringComparison.Ordinal);
        return at >= 0 && at + 3 < path.Length ? path[(at + 3)..] : null;
    }
}
