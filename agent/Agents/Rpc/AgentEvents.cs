using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>The events that every adapter makes of what its agent says, so that they look alike whoever it is.</summary>
internal sealed class AgentEvents(EventSink sink)
{
    private const int MaxStep = 120;

    /// <param name="parent">The call that began the sub-agent who says it; null for the agent itself.</param>
    public void Text(byte[] run, string message, long index, string text, bool delta, bool thinking, string? parent = null)
    {
        if (delta && text.Length == 0)
            return;
        var type = (thinking, delta) switch
        {
            (true, true) => "thinking.delta"u8,
            (true, false) => "thinking"u8,
            (false, true) => "text.delta"u8,
            _ => "text"u8,
        };
        sink.Emit(type, run, (message, index, text, parent), static (json, piece) =>
        {
            json.WriteString("message_id"u8, piece.message);
            json.WriteNumber("index"u8, piece.index);
            json.WriteString("text"u8, piece.text);
            json.Optional("parent_tool_use_id"u8, piece.parent);
        });
    }

    /// <param name="input">Writes the members of the input's object.</param>
    /// <param name="step">What the agent does now, in a line.</param>
    /// <param name="parent">The call that began the sub-agent who makes it; null for the agent itself.</param>
    public void ToolUse(byte[] run, string id, string name, Action<Utf8JsonWriter> input, string? step = null, string? parent = null)
    {
        sink.Emit("tool_use"u8, run, (id, name, input, parent), static (json, call) =>
        {
            json.WriteString("tool_use_id"u8, call.id);
            json.WriteString("name"u8, call.name);
            json.WriteStartObject("input"u8);
            call.input(json);
            json.WriteEndObject();
            json.Optional("parent_tool_use_id"u8, call.parent);
        });
        Progress(run, string.IsNullOrWhiteSpace(step) ? name : $"{name}: {Line(step)}", default, null, parent);
    }

    public void ToolOutput(byte[] run, string id, string text)
    {
        if (text.Length == 0)
            return;
        sink.Emit("tool.delta"u8, run, (id, text), static (json, piece) =>
        {
            json.WriteString("tool_use_id"u8, piece.id);
            json.WriteString("text"u8, piece.text);
        });
    }

    public void ToolResult(byte[] run, string id, string content, bool isError, string? parent = null) =>
        sink.Emit("tool_result"u8, run, (id, content, isError, parent), static (json, result) =>
        {
            json.WriteString("tool_use_id"u8, result.id);
            json.WriteString("content"u8, result.content);
            json.WriteBoolean("is_error"u8, result.isError);
            json.Optional("parent_tool_use_id"u8, result.parent);
        });

    /// <param name="todos">Array of the agent's steps; not an array: none.</param>
    /// <param name="content">Member of a step that says what it is.</param>
    public void Progress(byte[] run, string step, JsonElement todos, string? content, string? parent = null) =>
        sink.Emit("progress"u8, run, (step, todos, content, parent), static (json, now) =>
        {
            json.WriteString("step"u8, now.step);
            json.Optional("parent_tool_use_id"u8, now.parent);
            if (now.todos.ValueKind != JsonValueKind.Array)
                return;
            json.WriteStartArray("todos"u8);
            foreach (var todo in now.todos.EnumerateArray())
            {
                json.WriteStartObject();
                json.WriteString("content"u8, Member(todo, now.content!) ?? "");
                json.WriteString("status"u8, StatusOf(todo.Text("status"u8)));
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });

    /// <summary>A plan as progress: the step under way, and all of them.</summary>
    public void Plan(byte[] run, JsonElement todos, string content, string? otherwise)
    {
        string? current = null;
        foreach (var todo in todos.Items())
        {
            if (StatusOf(todo.Text("status"u8)) == "in_progress")
                current ??= Member(todo, content);
        }

        Progress(run, Line(current ?? otherwise ?? "plan"), todos, content);
    }

    public void Usage(byte[] run, TokenUsage tokens, string? model) =>
        sink.Emit("usage"u8, run, (tokens, model), static (json, answer) =>
        {
            json.WriteNumber("input_tokens"u8, answer.tokens.Input);
            json.WriteNumber("output_tokens"u8, answer.tokens.Output);
            json.WriteNumber("cache_read_tokens"u8, answer.tokens.CacheRead);
            json.WriteNumber("cache_write_tokens"u8, answer.tokens.CacheWrite);
            json.Optional("model"u8, answer.model);
        });

    public void Phase(byte[] run, string phase) =>
        sink.Emit("state"u8, run, phase, static (json, name) => json.WriteString("phase"u8, name));

    public void Ready(byte[] run, string? model, string? version, string? conversation) =>
        sink.Emit("state"u8, run, (model, version, conversation), static (json, init) =>
        {
            json.WriteString("phase"u8, "ready"u8);
            json.Optional("model"u8, init.model);
            json.Optional("agent_version"u8, init.version);
            json.Optional("conversation_id"u8, init.conversation);
        });

    public void Error(byte[] run, string code, string message, bool retryable) =>
        sink.Emit("error"u8, run, (code, message, retryable), static (json, fault) =>
        {
            json.WriteString("code"u8, fault.code);
            json.WriteString("message"u8, fault.message);
            json.WriteBoolean("retryable"u8, fault.retryable);
        });

    private static string StatusOf(string? status) => status switch
    {
        "inProgress" or "in_progress" => "in_progress",
        "completed" => "completed",
        _ => "pending",
    };

    private static string? Member(JsonElement todo, string name) =>
        todo.ValueKind == JsonValueKind.Object && todo.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static string Line(string text)
    {
        var line = text.AsSpan().Trim();
        var end = line.IndexOfAny('\r', '\n');
        var first = end < 0 ? line : line[..end];
        if (first.Length <= MaxStep)
            return end < 0 ? first.ToString() : $"{first} …";
        var cut = char.IsHighSurrogate(first[MaxStep - 1]) ? MaxStep - 1 : MaxStep;
        return $"{first[..cut]}…";
    }
}
