using System.Text;

namespace Marionette.Agent.Agents.Permissions;

/// <summary>Shows a change of a file as a unified diff, whatever form the agent gave it in.</summary>
internal static class UnifiedDiff
{
    private const int Context = 3;

    /// <summary>A file that comes into being.</summary>
    public static string Added(string path, string content) => Between(path, null, content);

    /// <summary>A file that goes away.</summary>
    public static string Deleted(string path, string content) => Between(path, content, null);

    /// <summary>Hunks that have no head yet.</summary>
    /// <param name="newPath">Where the file moves to; null when it stays.</param>
    public static string Of(string path, string hunks, string? newPath = null) =>
        hunks.StartsWith("--- ", StringComparison.Ordinal) ? Ended(hunks) : $"--- {path}\n+++ {newPath ?? path}\n{Ended(hunks)}";

    /// <summary>
    /// One hunk from the first to the last line that differs, with the lines around it. No search for the smallest change: what a
    /// person reads is the same.
    /// </summary>
    /// <param name="before">Null when the file does not exist.</param>
    /// <param name="after">Null when it is to be deleted.</param>
    public static string Between(string path, string? before, string? after)
    {
        var (old, now) = (Lines(before), Lines(after));
        var head = 0;
        while (head < old.Length && head < now.Length && old[head] == now[head])
            head++;
        var tail = 0;
        while (tail < old.Length - head && tail < now.Length - head && old[^(tail + 1)] == now[^(tail + 1)])
            tail++;
        var diff = new StringBuilder()
            .Append("--- ").Append(before is null ? "/dev/null" : path).Append('\n')
            .Append("+++ ").Append(after is null ? "/dev/null" : path).Append('\n');
        if (head == old.Length && head == now.Length)
            return diff.ToString();
        var from = Math.Max(0, head - Context);
        var kept = Math.Min(tail, Context);
        var (oldEnd, nowEnd) = (old.Length - tail, now.Length - tail);
        diff.Append("@@ -").Append(Range(from, oldEnd + kept)).Append(" +").Append(Range(from, nowEnd + kept)).Append(" @@\n");
        Append(diff, ' ', old.AsSpan(from..head));
        Append(diff, '-', old.AsSpan(head..oldEnd));
        Append(diff, '+', now.AsSpan(head..nowEnd));
        Append(diff, ' ', old.AsSpan(oldEnd..(oldEnd + kept)));
        return diff.ToString();
    }

    private static string Range(int from, int end) => end - from == 0 ? $"{from},0" : $"{from + 1},{end - from}";

    private static void Append(StringBuilder diff, char mark, ReadOnlySpan<string> lines)
    {
        foreach (var line in lines)
            diff.Append(mark).Append(line).Append('\n');
    }

    private static string[] Lines(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return [];
        return (text[^1] == '\n' ? text[..^1] : text).Split('\n');
    }

    private static string Ended(string text) => text.Length == 0 || text[^1] == '\n' ? text : text + "\n";
}
