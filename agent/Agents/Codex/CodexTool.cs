using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <summary>The items of Codex that are calls of tools.</summary>
internal static class CodexTool
{
    // Members of an item that say how it goes, not what it is to do.
    private static readonly HashSet<string> NoInput = new(StringComparer.Ordinal)
    {
        "type", "id", "status", "startedAtMs", "completedAtMs", "durationMs", "result", "error", "contentItems", "success",
    };

    /// <summary>The tool's name; null for an item that is no call.</summary>
    public static string? NameOf(string? type, JsonElement item) => type switch
    {
        "commandExecution" => "shell",
        "fileChange" => "apply_patch",
        "mcpToolCall" => $"mcp__{item.Text("server"u8)}__{item.Text("tool"u8)}",
        "dynamicToolCall" or "collabAgentToolCall" => item.Text("tool"u8) ?? type,
        "webSearch" => "web_search",
        "imageView" => "view_image",
        "imageGeneration" => "image_generation",
        _ => null,
    };

    public static void WriteInput(Utf8JsonWriter json, string? type, JsonElement item)
    {
        switch (type)
        {
            case "commandExecution":
                json.WriteString("command"u8, ShellWords.Unwrap(item.Text("command"u8) ?? ""));
                json.Optional("cwd"u8, item.Text("cwd"u8));
                break;
            case "mcpToolCall" or "dynamicToolCall" when item.Member("arguments"u8) is { ValueKind: JsonValueKind.Object } arguments:
                foreach (var member in arguments.EnumerateObject())
                    member.WriteTo(json);
                break;
            default:
                foreach (var member in item.EnumerateObject().Where(member => !NoInput.Contains(member.Name) && member.Value.ValueKind != JsonValueKind.Null))
                    member.WriteTo(json);
                break;
        }
    }

    /// <summary>What is done, in a line.</summary>
    public static string? StepOf(string? type, JsonElement item) => type switch
    {
        "commandExecution" => ShellWords.Unwrap(item.Text("command"u8) ?? ""),
        "fileChange" => string.Join(", ", item.Member("changes"u8).Items().Select(change => change.Text("path"u8))),
        _ => item.Text("query"u8) ?? item.Text("path"u8) ?? item.Text("prompt"u8),
    };

    public static (string Content, bool IsError) ResultOf(string? type, JsonElement item)
    {
        var status = item.Text("status"u8);
        var failed = status is "failed" or "declined";
        switch (type)
        {
            case "commandExecution":
                var output = item.Text("aggregatedOutput"u8) ?? "";
                var code = item.Fraction("exitCode"u8);
                if (status == "declined")
                    return (output.Length > 0 ? output : "The command was not allowed.", true);
                return (code is null or 0 ? output : $"{output}{(output.EndsWith('\n') || output.Length == 0 ? "" : "\n")}exit code {code}", failed || code is not (null or 0));
            case "fileChange":
                var files = string.Join('\n', item.Member("changes"u8).Items().Select(Describe));
                return (status == "declined" ? "The change was not allowed." : failed ? $"The change failed:\n{files}" : files, failed);
            default:
                return (Content(item), failed || item.Member("error"u8).ValueKind == JsonValueKind.Object || item.Member("success"u8).ValueKind == JsonValueKind.False);
        }
    }

    private static string Describe(JsonElement change)
    {
        var kind = change.Member("kind"u8);
        var name = kind.ValueKind == JsonValueKind.String ? kind.GetString() : kind.Text("type"u8);
        return $"{name switch { "add" => "added", "delete" => "deleted", _ => "changed" }} {change.Text("path"u8)}";
    }

    private static string Content(JsonElement item)
    {
        if (item.Member("error"u8).Text("message"u8) is { } message)
            return message;
        var text = new StringBuilder();
        foreach (var part in item.Member("result"u8).Member("content"u8).Items().Concat(item.Member("contentItems"u8).Items()))
        {
            if (text.Length > 0)
                text.Append('\n');
            text.Append(part.Text("text"u8) ?? $"[{part.Text("type"u8) ?? "something"}]");
        }

        return text.ToString();
    }
}
