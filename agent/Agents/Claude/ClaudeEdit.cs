using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>What Claude's editing tools would do to a file.</summary>
internal static class ClaudeEdit
{
    /// <returns>A unified diff; null when the tool edits nothing or its effect cannot be foretold.</returns>
    public static string? Diff(string tool, JsonElement input)
    {
        if (input.Text("file_path"u8) is not { Length: > 0 } path || FileDiff.Read(path) is not { } before)
            return null;
        var after = tool switch
        {
            "Write" => input.Text("content"u8),
            "Edit" => Replace(before, input),
            "MultiEdit" => ReplaceAll(before, input.Member("edits"u8)),
            _ => null,
        };
        return after is null ? null : FileDiff.Between(path, before, after);
    }

    private static string? ReplaceAll(string text, JsonElement edits)
    {
        var result = (string?)text;
        foreach (var edit in edits.Items())
            result = result is null ? null : Replace(result, edit);
        return result;
    }

    private static string? Replace(string text, JsonElement edit)
    {
        if (edit.Text("old_string"u8) is not { } from || edit.Text("new_string"u8) is not { } to)
            return null;
        if (from.Length == 0)
            return text.Length == 0 ? to : null;
        var at = text.IndexOf(from, StringComparison.Ordinal);
        if (at < 0)
            return null; // Claude will refuse it
        return edit.Flag("replace_all"u8)
            ? text.Replace(from, to, StringComparison.Ordinal)
            : string.Concat(text.AsSpan(0, at), to, text.AsSpan(at + from.Length));
    }
}
