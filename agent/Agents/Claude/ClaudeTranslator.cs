using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Makes events of what Claude prints: partial output, whole blocks, tool calls and results, state.</summary>
internal sealed class ClaudeTranslator(EventSink sink)
{
    private readonly ClaudeUsageTracker usage = new(sink);
    private readonly Dictionary<string, string> streaming = new(StringComparer.Ordinal);
    private readonly ClaudeProgress progress = new(sink);
    private readonly Dictionary<string, (string Message, int Next)> blocks = new(StringComparer.Ordinal);
    private string? toolsTold;

    /// <summary>The plan in the newest call that asks for one to be agreed to; null when it had none.</summary>
    public string? LastPlan { get; private set; }

    /// <summary>Forgets the last turn's half-done messages.</summary>
    public void Reset()
    {
        streaming.Clear();
        blocks.Clear();
        toolsTold = null;
        LastPlan = null;
    }

    /// <summary>A piece of an answer while it is generated.</summary>
    public void StreamEvent(byte[] run, JsonElement line)
    {
        var parent = line.Text("parent_tool_use_id"u8) ?? "";
        var step = line.Member("event"u8);
        switch (step.Text("type"u8))
        {
            case "message_start":
                streaming[parent] = step.Member("message"u8).Text("id"u8) ?? "";
                usage.Started(streaming[parent], step.Member("message"u8));
                break;
            case "content_block_delta":
                Delta(run, streaming.GetValueOrDefault(parent, ""), parent, step);
                break;
            case "message_delta":
                usage.Progressed(streaming.GetValueOrDefault(parent, ""), step.Member("usage"u8));
                break;
            case "message_stop":
                usage.Finished(run, streaming.GetValueOrDefault(parent, ""));
                streaming.Remove(parent);
                break;
        }
    }

    /// <summary>One whole block of an answer (Claude prints a line for each).</summary>
    /// <returns>Tool calls in it.</returns>
    public int Assistant(byte[] run, JsonElement line)
    {
        var message = line.Member("message"u8);
        var id = message.Text("id"u8) ?? "";
        // Claude dresses an error of the model up as an answer of a model of this name; its text comes again in the result.
        if (message.Text("model"u8) == "<synthetic>")
        {
            if (line.Text("error"u8) is { } error)
                ApiError(run, error, message);
            return 0;
        }

        usage.Seen(run, id, message);
        // Each sub-agent talks for itself, and their lines come mixed.
        var parent = line.Text("parent_tool_use_id"u8) ?? "";
        var index = blocks.TryGetValue(parent, out var last) && last.Message == id ? last.Next : 0;
        var tools = 0;
        foreach (var block in message.Member("content"u8).Items())
        {
            var at = (id, index++, parent);
            switch (block.Text("type"u8))
            {
                case "text":
                    Block("text"u8, run, at, block.Text("text"u8) ?? "");
                    break;
                case "thinking":
                    Block("thinking"u8, run, at, block.Text("thinking"u8) ?? "");
                    break;
                case "redacted_thinking":
                    Block("thinking"u8, run, at, "[redacted by the model's provider]");
                    break;
                case "tool_use" or "server_tool_use" or "mcp_tool_use":
                    ToolUse(run, parent, block);
                    tools++;
                    break;
            }
        }

        blocks[parent] = (id, index);
        return tools;
    }

    /// <summary>Tool results come as a message of the user.</summary>
    /// <returns>How many there were.</returns>
    public int User(byte[] run, JsonElement line)
    {
        var results = 0;
        var parent = line.Text("parent_tool_use_id"u8);
        foreach (var block in line.Member("message"u8).Member("content"u8).Items())
        {
            if (line.Flag("isSynthetic"u8) && block.Text("text"u8) is { } note)
                sink.System(run, LogSeverity.Info, note);
            if (block.Text("type"u8) != "tool_result")
                continue;
            results++;
            sink.Emit("tool_result"u8, run, (block, parent), static (json, result) =>
            {
                json.WriteString("tool_use_id"u8, result.block.Text("tool_use_id"u8) ?? "");
                json.WriteString("content"u8, ClaudeContent.Describe(result.block.Member("content"u8)));
                json.WriteBoolean("is_error"u8, result.block.Flag("is_error"u8));
                json.Optional("parent_tool_use_id"u8, result.parent);
            });
        }

        return results;
    }

    /// <summary>What Claude says of itself at the start of each turn.</summary>
    public void Init(byte[] run, JsonElement line)
    {
        var tools = string.Join(',', line.Member("tools"u8).Items()
            .Where(tool => tool.ValueKind == JsonValueKind.String).Select(tool => tool.GetString()));
        var tell = tools != toolsTold;
        toolsTold = tools;
        sink.Emit("state"u8, run, (line, tell), static (json, init) =>
        {
            json.WriteString("phase"u8, "ready"u8);
            json.Optional("model"u8, init.line.Text("model"u8));
            json.Optional("agent_version"u8, init.line.Text("claude_code_version"u8));
            json.Optional("conversation_id"u8, init.line.Text("session_id"u8));
            json.Optional("permission_mode"u8, init.line.Text("permissionMode"u8));
            if (!init.tell || init.line.Member("tools"u8) is not { ValueKind: JsonValueKind.Array } list)
                return;
            json.WritePropertyName("tools"u8);
            list.WriteTo(json);
        });
    }

    public void Phase(byte[] run, string phase) =>
        sink.Emit("state"u8, run, phase, static (json, name) => json.WriteString("phase"u8, name));

    /// <summary>Claude is in another permission mode, because it was told so or because its plan was approved.</summary>
    public void Mode(byte[] run, string mode) =>
        sink.Emit("state"u8, run, mode, static (json, name) => json.WriteString("permission_mode"u8, name));

    /// <summary>Claude asks the model again after a failure.</summary>
    public void Retry(byte[] run, JsonElement line) => sink.Emit("error"u8, run, line, static (json, retry) =>
    {
        var status = retry.Number("error_status"u8);
        var name = retry.Text("error"u8) ?? "error";
        json.WriteString("code"u8, status switch
        {
            429 => ErrorCodes.RateLimited, 529 => ErrorCodes.Overloaded, _ => ErrorCodes.ModelError,
        });
        json.WriteString("message"u8, status > 0 ? $"{name} (HTTP {status})" : name);
        json.WriteBoolean("retryable"u8, true);
        json.WriteNumber("attempt"u8, retry.Number("attempt"u8));
        json.WriteNumber("retry_in_ms"u8, retry.Number("retry_delay_ms"u8));
    });

    /// <summary>The turn is over: usage of answers that were not streamed is still to be told.</summary>
    public void TurnEnded(byte[] run)
    {
        usage.Flush(run);
        Phase(run, "idle");
    }

    private void ApiError(byte[] run, string error, JsonElement message) =>
        sink.Emit("error"u8, run, (error, text: ClaudeContent.Describe(message.Member("content"u8))), static (json, fault) =>
        {
            json.WriteString("code"u8, fault.error switch
            {
                "authentication_failed" => fault.error,
                "rate_limit" => ClaudeLimit.IsUsageLimit(fault.text) ? ErrorCodes.UsageLimit : ErrorCodes.RateLimited,
                "overloaded" => ErrorCodes.Overloaded,
                _ => ErrorCodes.ModelError,
            });
            json.WriteString("message"u8, fault.text.Length > 0 ? fault.text : fault.error);
            json.WriteBoolean("retryable"u8, false);
        });

    private void Delta(byte[] run, string message, string parent, JsonElement step)
    {
        var delta = step.Member("delta"u8);
        var index = step.Number("index"u8);
        switch (delta.Text("type"u8))
        {
            case "text_delta":
                Piece("text.delta"u8, run, (message, index, parent, delta.Text("text"u8) ?? ""));
                break;
            case "thinking_delta":
                Piece("thinking.delta"u8, run, (message, index, parent, delta.Text("thinking"u8) ?? ""));
                break;
        }
    }

    private void Block(ReadOnlySpan<byte> type, byte[] run, (string Id, int Index, string Parent) at, string text) =>
        Piece(type, run, (at.Id, at.Index, at.Parent, text));

    private void Piece(ReadOnlySpan<byte> type, byte[] run, (string Id, long Index, string Parent, string Text) piece) =>
        sink.Emit(type, run, piece, static (json, value) =>
        {
            json.WriteString("message_id"u8, value.Id);
            json.WriteNumber("index"u8, value.Index);
            json.WriteString("text"u8, value.Text);
            json.Optional("parent_tool_use_id"u8, value.Parent);
        });

    private void ToolUse(byte[] run, string parent, JsonElement block)
    {
        sink.Emit("tool_use"u8, run, (block, parent), static (json, call) =>
        {
            json.WriteString("tool_use_id"u8, call.block.Text("id"u8) ?? "");
            json.WriteString("name"u8, call.block.Text("name"u8) ?? "unknown");
            json.WritePropertyName("input"u8);
            if (call.block.Member("input"u8) is { ValueKind: JsonValueKind.Object } input)
                input.WriteTo(json);
            else
                json.WriteRawValue("{}"u8);
            json.Optional("parent_tool_use_id"u8, call.parent);
        });
        if (block.Text("name"u8) == ClaudeAsk.PlanTool)
            LastPlan = block.Member("input"u8).Text("plan"u8);
        progress.ToolUsed(run, parent, block.Text("name"u8) ?? "unknown", block.Member("input"u8));
    }
}
