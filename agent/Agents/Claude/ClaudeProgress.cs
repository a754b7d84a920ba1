using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Says in one line what Claude does now, and keeps its to-do list.</summary>
internal sealed class ClaudeProgress(EventSink sink)
{
    private const int MaxStep = 120;

    /// <param name="parent">The call that started the sub-agent whose tool it is; "" for Claude itself.</param>
    public void ToolUsed(byte[] run, string parent, string tool, JsonElement input)
    {
        var todos = tool == "TodoWrite" ? input.Member("todos"u8) : default;
        sink.Emit("progress"u8, run, (Step: Describe(tool, input), todos, parent), static (json, now) =>
        {
            json.WriteString("step"u8, now.Step);
            json.Optional("parent_tool_use_id"u8, now.parent);
            if (now.todos.ValueKind != JsonValueKind.Array)
                return;
            if (Percent(now.todos) is { } percent)
                json.WriteNumber("percent"u8, percent);
            json.WriteStartArray("todos"u8);
            foreach (var todo in now.todos.EnumerateArray())
            {
                json.WriteStartObject();
                json.WriteString("content"u8, todo.Text("content"u8) ?? "");
                json.WriteString("status"u8, todo.Text("status"u8) ?? "pending");
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private static string Describe(string tool, JsonElement input)
    {
        var detail = tool switch
        {
            "TodoWrite" => Current(input.Member("todos"u8)),
            _ => input.Text("command"u8) ?? input.Text("file_path"u8) ?? input.Text("notebook_path"u8)
                ?? input.Text("pattern"u8) ?? input.Text("url"u8) ?? input.Text("query"u8) ?? input.Text("description"u8)
                ?? input.Text("subject"u8) ?? input.Text("skill"u8),
        };
        if (string.IsNullOrWhiteSpace(detail))
            return tool;
        var line = detail.AsSpan().Trim();
        var end = line.IndexOfAny('\r', '\n');
        var first = end < 0 ? line : line[..end];
        if (first.Length <= MaxStep)
            return end < 0 ? $"{tool}: {first}" : $"{tool}: {first} …";
        var cut = char.IsHighSurrogate(first[MaxStep - 1]) ? MaxStep - 1 : MaxStep;
        return $"{tool}: {first[..cut]}…";
    }

    private static int? Percent(JsonElement todos)
    {
        var all = todos.GetArrayLength();
        return all == 0 ? null : 100 * todos.Items().Count(todo => todo.Text("status"u8) == "completed") / all;
    }

    private static string? Current(JsonElement todos)
    {
        foreach (var todo in todos.Items())
        {
            if (todo.Text("status"u8) == "in_progress")
                return todo.Text("activeForm"u8) ?? todo.Text("content"u8);
        }

        return null;
    }
}
