using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Permissions;

/// <summary>The questions that an agent waits for. It may ask several before the first is answered. Safe for any thread.</summary>
internal sealed class OpenRequests(EventSink sink)
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

    /// <summary>The agent asks: keep the question and pass it on.</summary>
    /// <param name="run">Run that it belongs to.</param>
    /// <param name="requestId">The agent's id of the question; unique within the run.</param>
    public void Ask(byte[] run, string requestId, PermissionAsk ask)
    {
        lock (gate)
            pending[requestId] = new Pending(run, ask.Input);
        sink.Emit("permission.request"u8, run, (requestId, ask), static (json, question) =>
        {
            var ask = question.ask;
            json.WriteString("request_id"u8, question.requestId);
            json.WriteString("tool"u8, ask.Tool);
            json.WriteString("category"u8, ask.Category);
            json.WritePropertyName("input"u8);
            json.WriteRawValue(ask.Input);
            json.Optional("title"u8, ask.Title);
            json.Optional("command"u8, ask.Command);
            json.OptionalList("paths"u8, ask.Paths);
            json.OptionalList("hosts"u8, ask.Hosts);
            json.Optional("diff"u8, ask.Diff);
            json.Optional("description"u8, ask.Description);
            json.Optional("reason"u8, ask.Reason);
            if (ask.TakesInput)
                json.WriteBoolean("takes_input"u8, true);
            json.WriteStartObject("context"u8);
            foreach (var (name, value) in ask.Context)
            {
                if (value is not null)
                    json.WriteString(name, value);
            }

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

    /// <summary>The answer is with the agent.</summary>
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

    /// <summary>The agent does not wait for this answer any more.</summary>
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
    /// <param name="Input">The tool's input as the agent gave it.</param>
    internal sealed record Pending(byte[] Run, byte[] Input);
}
