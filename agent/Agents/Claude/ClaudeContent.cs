using System.Text;
using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Content of a message or a tool result as plain text.</summary>
internal static class ClaudeContent
{
    /// <summary>Text as it is, blocks joined by line feeds; what is not text is described in brackets.</summary>
    public static string Describe(JsonElement content)
    {
        if (content.ValueKind == JsonValueKind.String)
            return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array)
            return content.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? "" : content.GetRawText();
        var text = new StringBuilder();
        foreach (var block in content.EnumerateArray())
        {
            if (text.Length > 0)
                text.Append('\n');
            text.Append(DescribeBlock(block));
        }

        return text.ToString();
    }

    private static string DescribeBlock(JsonElement block)
    {
        if (block.ValueKind == JsonValueKind.String)
            return block.GetString()!;
        var type = block.Text("type"u8) ?? "unknown";
        if (type == "text")
            return block.Text("text"u8) ?? "";
        var source = block.Member("source"u8);
        var media = source.Text("media_type"u8);
        var data = source.Text("data"u8)?.Length ?? 0;
        // Base64: four letters for three bytes.
        return (media, data) switch
        {
            (not null, > 0) => $"[{type} {media}, {data / 4L * 3} bytes]",
            (not null, _) => $"[{type} {media}]",
            _ when block.Text("tool_name"u8) is { } name => $"[{type} {name}]",
            _ => $"[{type}]",
        };
    }
}
