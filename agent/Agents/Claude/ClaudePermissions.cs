using System.Text;
using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>The questions that Claude waits for. It may ask several before the first is answered.</summary>
internal sealed class ClaudePermissions(EventSink sink)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Pending> pending = new(StringComparer.Ordinal);

    /// <summary>How many questions are open. While one is, silence is no stall.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return pending.Count;
        }
    }

    /// <summary>Claude asks: keep the question and pass it on.</summary>
    public void Ask(byte[] run, string requestId, JsonElement request)
    {
        var input = request.Member("input"u8);
        var raw = input.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(input.GetRawText()) : "{}"u8.ToArray();
        lock (gate)
            pending[requestId] = new Pending(run, raw);
        sink.Emit("permission.request"u8, run, (requestId, request, raw), static (json, ask) =>
        {
            json.WriteString("request_id"u8, ask.requestId);
            json.WriteString("tool"u8, ask.request.Text("tool_name"u8) ?? "unknown");
            json.WritePropertyName("input"u8);
            json.WriteRawValue(ask.raw);
            json.Optional("description"u8, ask.request.Text("description"u8));
            json.WriteStartObject("context"u8);
            json.Optional("tool_use_id"u8, ask.request.Text("tool_use_id"u8));
            json.Optional("blocked_path"u8, ask.request.Text("blocked_path"u8));
            json.Optional("decision_reason"u8, ask.request.Text("decision_reason"u8));
            json.Optional("agent_id"u8, ask.request.Text("agent_id"u8));
            json.WriteEndObject();
        });
    }

    /// <summary>Takes a question that is being answered.</summary>
    /// <returns>Null when nobody waits for this answer any more.</returns>
    public Pending? Take(string requestId)
    {
        lock (gate)
            return pending.Remove(requestId, out var question) ? question : null;
    }

    /// <summary>The answer is with Claude.</summary>
    public void Received(Pending question, string requestId)
    {
        sink.Emit("permission.received"u8, question.Run, requestId, static (json, id) => json.WriteString("request_id"u8, id));
        sink.Commit();
    }

    /// <summary>The answer could not be passed on: the process is gone.</summary>
    public void Lost(Pending question, string requestId)
    {
        EmitWithdrawn(question, requestId, "the agent's process ended");
        sink.Commit();
    }

    /// <summary>Claude does not wait for this answer any more.</summary>
    public void Withdraw(string requestId, string reason)
    {
        if (Take(requestId) is { } question)
            EmitWithdrawn(question, requestId, reason);
    }

    /// <summary>Nobody waits for any answer any more.</summary>
    public void WithdrawAll(string reason)
    {
        KeyValuePair<string, Pending>[] all;
        lock (gate)
        {
            all = [.. pending];
            pending.Clear();
        }

        foreach (var (requestId, question) in all)
            EmitWithdrawn(question, requestId, reason);
    }

    private void EmitWithdrawn(Pending question, string requestId, string reason) =>
        sink.Emit("permission.withdrawn"u8, question.Run, (requestId, reason), static (json, end) =>
        {
            json.WriteString("request_id"u8, end.requestId);
            json.WriteString("reason"u8, end.reason);
        });

    /// <param name="Run">Run that it belongs to.</param>
    /// <param name="Input">The tool's input as Claude gave it.</param>
    internal sealed record Pending(byte[] Run, byte[] Input);
}
