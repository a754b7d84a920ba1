using System.Globalization;
using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Acp;

/// <summary>
/// Makes events of <c>session/update</c>. The protocol knows pieces of text but no messages: one ends where something else begins.
/// </summary>
/// <param name="terminals">Finds what a terminal printed.</param>
internal sealed class AcpUpdates(AgentEvents events, Func<string, string?> terminals)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, AcpCall> calls = new(StringComparer.Ordinal);
    private readonly StringBuilder message = new();
    private bool thinking;
    private string? agentMessage;
    private int messages;

    /// <summary>What the agent says that the session has cost so far, US dollars; null when it does not say.</summary>
    public double? Cost { get; private set; }

    public void Reset()
    {
        lock (gate)
            calls.Clear();
        message.Clear();
        agentMessage = null;
    }

    public void Take(RpcTurn turn, JsonElement update)
    {
        switch (update.Text("sessionUpdate"u8))
        {
            case "agent_message_chunk":
                Piece(turn, update, isThought: false);
                break;
            case "agent_thought_chunk":
                Piece(turn, update, isThought: true);
                break;
            case "tool_call" or "tool_call_update":
                EndMessage(turn);
                Called(turn, Find(update));
                break;
            case "plan":
                events.Plan(turn.Id, update.Member("entries"u8), "content", null);
                break;
            case "usage_update" when update.Member("cost"u8) is { ValueKind: JsonValueKind.Object } cost && cost.Text("currency"u8) is null or "USD":
                Cost = update.Member("cost"u8).Fraction("amount"u8) ?? Cost;
                break;
        }
    }

    /// <summary>The call that a question is about, with what the question says of it.</summary>
    public AcpCall Find(JsonElement said)
    {
        var id = said.Text("toolCallId"u8) ?? "";
        lock (gate)
        {
            if (!calls.TryGetValue(id, out var call))
                calls[id] = call = new AcpCall(id);
            call.Merge(said);
            return call;
        }
    }

    /// <summary>Tells a call to the session unless it has been.</summary>
    public void Tell(RpcTurn turn, AcpCall call)
    {
        if (call.IsTold)
            return;
        call.IsTold = true;
        turn.Began(call.Id);
        var (input, command) = (call.Input, call.Command);
        var step = command ?? (call.Title == call.Name ? string.Join(", ", call.Paths) : call.Title);
        events.ToolUse(turn.Id, call.Id, call.Name, json =>
        {
            foreach (var member in input.EnumerateObject())
                member.WriteTo(json);
            if (!input.EnumerateObject().Any())
                json.Optional("title"u8, call.Title);
        }, step);
    }

    /// <summary>The message that was being said is whole.</summary>
    public void EndMessage(RpcTurn turn)
    {
        if (message.Length == 0)
            return;
        var text = message.ToString();
        events.Text(turn.Id, MessageId, 0, text, delta: false, thinking);
        if (!thinking)
            turn.LastText = text;
        message.Clear();
    }

    private string MessageId => agentMessage ?? "msg_" + messages.ToString(CultureInfo.InvariantCulture);

    private void Piece(RpcTurn turn, JsonElement update, bool isThought)
    {
        var block = update.Member("content"u8);
        var text = block.Text("type"u8) == "text" ? block.Text("text"u8) ?? "" : $"[{block.Text("type"u8)}]";
        if (text.Length == 0)
            return;
        var named = update.Text("messageId"u8);
        if (message.Length > 0 && (thinking != isThought || named != agentMessage))
            EndMessage(turn);
        if (message.Length == 0)
        {
            messages++;
            (thinking, agentMessage) = (isThought, named);
        }

        message.Append(text);
        events.Text(turn.Id, MessageId, 0, text, delta: true, isThought);
    }

    private void Called(RpcTurn turn, AcpCall call)
    {
        // The first word of a call often comes before its input does.
        if (call.IsComplete || call.IsOver)
            Tell(turn, call);
        if (!call.IsTold)
            return;
        var output = call.Output(terminals);
        if (!call.IsOver)
        {
            if (call.Status == "in_progress" && output.Length > call.ToldOutput.Length && output.StartsWith(call.ToldOutput, StringComparison.Ordinal))
            {
                events.ToolOutput(turn.Id, call.Id, output[call.ToldOutput.Length..]);
                call.ToldOutput = output;
            }

            return;
        }

        if (turn.Ended(call.Id))
            events.ToolResult(turn.Id, call.Id, output, call.Status == "failed");
    }
}
