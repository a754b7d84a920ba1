using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Live;

/// <summary>Tool calls and their results in few words.</summary>
internal static class ToolText
{
    // The member that says most of a call, for the tools people see most; the first that is there is shown.
    private static readonly string[] TellingMembers =
        ["command", "file_path", "notebook_path", "path", "pattern", "url", "query", "skill", "subject", "description", "prompt"];

    /// <summary>What the call is about, on one line; the whole input as JSON where no member tells it.</summary>
    public static string About(JsonElement? input, int width)
    {
        if (input is not { } value)
            return "";
        foreach (var name in TellingMembers)
        {
            if (value.Text(name) is { Length: > 0 } text)
                return Format.Fit(text, width);
        }
        return value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Any() ? Format.Fit(JsonText.Compact(value), width) : "";
    }

    /// <summary>The first lines of a result, cleaned and cut to the width, and how many more there are.</summary>
    public static (IReadOnlyList<string> Lines, int More) Head(string content, int lines, int width)
    {
        var all = TerminalText.CleanAll(content).TrimEnd().Split('\n');
        if (all is [""])
            return ([], 0);
        var shown = all.Take(lines).Select(line => Format.Fit(line.Replace("\t", "    "), width)).ToArray();
        return (shown, all.Length - shown.Length);
    }

    /// <summary>The input of a permission request as a person judges it: every member, long texts over several lines.</summary>
    public static IEnumerable<string> Input(JsonElement input, int lines, int width)
    {
        if (input.ValueKind != JsonValueKind.Object)
        {
            yield return Format.Fit(JsonText.Compact(input), width);
            yield break;
        }
        foreach (var member in input.EnumerateObject())
        {
            var value = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : JsonText.Compact(member.Value);
            var (shown, more) = Head(value, lines, Math.Max(width - 4, 20));
            if (shown.Count <= 1 && more == 0)
            {
                yield return $"{TerminalText.OneLine(member.Name)}: {(shown.Count == 0 ? "\"\"" : shown[0])}";
                continue;
            }
            yield return $"{TerminalText.OneLine(member.Name)}:";
            foreach (var line in shown)
                yield return "    " + line;
            if (more > 0)
                yield return $"    … {more} more lines";
        }
    }
}
