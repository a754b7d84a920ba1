namespace Marionette.Permissions;

/// <summary>Globs: <c>*</c> is any run of characters, <c>?</c> is one, a backslash takes the next character as it is.</summary>
internal static class Wildcard
{
    public static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        int p = 0, t = 0, star = -1, mark = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*') (star, mark, p) = (p, t, p + 1);
            else if (p < pattern.Length && Takes(pattern, p, text[t], out var width)) (p, t) = (p + width, t + 1);
            else if (star >= 0) (p, t) = (star + 1, ++mark);
            else return false;
        }

        while (p < pattern.Length && pattern[p] == '*') p++;
        return p == pattern.Length;
    }

    public static bool HasWildcard(string pattern)
    {
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] == '\\') i++;
            else if (pattern[i] is '*' or '?') return true;
        }

        return false;
    }

    /// <summary>The pattern that matches this word alone.</summary>
    public static string Escape(string text) => EscapeMost(text).Replace(" ", "\\ ", StringComparison.Ordinal);

    /// <summary>The same where blanks have no meaning.</summary>
    public static string EscapeMost(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("*", "\\*", StringComparison.Ordinal).Replace("?", "\\?", StringComparison.Ordinal);

    private static bool Takes(ReadOnlySpan<char> pattern, int at, char c, out int width)
    {
        var escaped = pattern[at] == '\\' && at + 1 < pattern.Length;
        width = escaped ? 2 : 1;
        return escaped ? pattern[at + 1] == c : pattern[at] == '?' || pattern[at] == c;
    }
}
