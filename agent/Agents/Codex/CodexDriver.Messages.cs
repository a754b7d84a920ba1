using System.Text.Json;
using System.Text.RegularExpressions;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <content>What Codex tells.</content>
internal sealed partial class CodexDriver
{
    // Threads of sub-agents, and the calls that began them.
    private readonly Dictionary<string, string> spawned = new(StringComparer.Ordinal);
    private DateTimeOffset? quotaResets;

    public override void OnNotification(RpcPeer peer, string method, JsonElement parameters)
    {
        if (method == "account/rateLimits/updated")
            quotaResets = ResetOf(parameters.Member("rateLimits"u8)) ?? quotaResets;
        if (Turn is not { } current || !ReferenceEquals(current.Process?.Peer, peer))
            return;
        if (method == "mcpServer/startupStatus/updated")
        {
            // Comes before the thread is known to be open.
            mcp.Note(parameters.Text("threadId"u8), parameters.Text("name"u8) ?? "", parameters.Text("status"u8), parameters.Text("error"u8));
            return;
        }

        if (method == "item/completed")
            NoteSpawned(parameters.Member("item"u8));
        if (parameters.Text("threadId"u8) is { } thread && thread != current.Process.Conversation)
        {
            OfSubAgent(current, method, parameters, spawned.GetValueOrDefault(thread));
            return;
        }

        switch (method)
        {
            case "turn/started":
                _ = BeganAsync(peer, current, parameters.Member("turn"u8).Text("id"u8));
                Events.Phase(current.Id, "requesting");
                break;
            case "turn/completed" when parameters.Member("turn"u8).Text("id"u8) is var id && (current.AgentTurn ?? id) == id:
                Completed(current, parameters.Member("turn"u8));
                break;
            case "turn/plan/updated":
                Events.Plan(current.Id, parameters.Member("plan"u8), "step", parameters.Text("explanation"u8));
                break;
            case "thread/tokenUsage/updated" when parameters.Text("turnId"u8) == current.AgentTurn:
                Used(current, parameters);
                break;
            case "error":
                Failed(current, parameters);
                break;
            case "serverRequest/resolved":
                Withdraw(peer, parameters.Member("requestId"u8) is { ValueKind: not JsonValueKind.Undefined } request ? request.GetRawText() : "");
                break;
            case "warning" or "configWarning" or "deprecationNotice" or "guardianWarning":
                Warned(current, parameters);
                break;
            case "model/rerouted":
                Sink.System(current.Id, LogSeverity.Warn, $"The model's provider answers with {parameters.Text("toModel"u8)} in place of {parameters.Text("fromModel"u8)}.");
                break;
            default:
                items.Take(current, method, parameters);
                break;
        }
    }

    // Its own sandbox is not used, and there are no helpers in PATH for it: that both are missing is no news. The rest without colours.
    protected override void OnErrorLine(ReadOnlyMemory<byte> line)
    {
        var text = Colours().Replace(System.Text.Encoding.UTF8.GetString(line.Span), "");
        if (!text.Contains("bubblewrap", StringComparison.Ordinal) && !text.Contains("PATH aliases", StringComparison.Ordinal))
            base.OnErrorLine(System.Text.Encoding.UTF8.GetBytes(text));
    }

    [GeneratedRegex("\u001b\\[[0-9;]*m")]
    private static partial Regex Colours();

    // The thread of a new sub-agent is known when the call is over, which is before it says anything.
    private void NoteSpawned(JsonElement item)
    {
        if (item.Text("type"u8) != "collabAgentToolCall" || item.Text("tool"u8) != "spawnAgent" || item.Text("id"u8) is not { } call)
            return;
        foreach (var thread in item.Member("receiverThreadIds"u8).Items())
        {
            if (thread.ValueKind == JsonValueKind.String)
                spawned[thread.GetString()!] = call;
        }
    }

    // What it does and costs is the run's. What it says is told whole, below the call that began it; of a thread that no call began
    // (Codex has some for itself) the text is nobody's business.
    private void OfSubAgent(RpcTurn current, string method, JsonElement parameters, string? parent)
    {
        if (method == "thread/tokenUsage/updated")
            Used(current, parameters);
        else if (method is "item/started" or "item/completed"
            && (parent is not null || parameters.Member("item"u8).Text("type"u8) is not ("agentMessage" or "reasoning" or "userMessage" or "plan")))
            items.Take(current, method, parameters, parent);
    }

    private void Used(RpcTurn current, JsonElement parameters)
    {
        var last = parameters.Member("tokenUsage"u8).Member("last"u8);
        var (cached, written) = (last.Number("cachedInputTokens"u8), last.Number("cacheWriteInputTokens"u8));
        var tokens = new TokenUsage(
            Math.Max(0, last.Number("inputTokens"u8) - cached - written), last.Number("outputTokens"u8), cached, written);
        current.Used(tokens);
        Events.Usage(current.Id, tokens, model);
    }

    private void Failed(RpcTurn current, JsonElement parameters)
    {
        var error = parameters.Member("error"u8);
        var code = CodexErrors.CodeOf(error);
        var retries = parameters.Flag("willRetry"u8);
        if (code == ErrorCodes.AuthenticationFailed && retries && current.Verdict is null)
        {
            // Codex would ask again with a key that is refused.
            current.Verdict = RunResult.Failed(code, CodexErrors.MessageOf(error));
            current.Process?.Kill();
            return;
        }

        Events.Error(current.Id, code, CodexErrors.MessageOf(error), retries);
    }

    private void Warned(RpcTurn current, JsonElement parameters)
    {
        var text = parameters.Text("message"u8) ?? parameters.Text("summary"u8) ?? "";
        if (parameters.Text("details"u8) is { Length: > 0 } details)
            text = $"{text} {details}";
        // Codex's sandbox is not used here: that it would not work is no news.
        if (text.Length > 0 && !text.Contains("bubblewrap", StringComparison.Ordinal))
            Sink.System(current.Id, LogSeverity.Warn, text);
    }

    private void Completed(RpcTurn current, JsonElement turn)
    {
        items.TurnEnded(current);
        Complete(current, turn.Text("status"u8) switch
        {
            "completed" => new RunResult { Outcome = Outcomes.Completed, Result = current.LastText ?? "" },
            "interrupted" => new RunResult { Outcome = Outcomes.Interrupted },
            _ => FailedWith(turn.Member("error"u8)),
        });
    }

    private RunResult FailedWith(JsonElement error)
    {
        var code = CodexErrors.CodeOf(error);
        return RunResult.Failed(code, CodexErrors.MessageOf(error)) with
        {
            RetryAt = code is ErrorCodes.UsageLimit or ErrorCodes.RateLimited ? quotaResets : null,
        };
    }

    private static DateTimeOffset? ResetOf(JsonElement limits)
    {
        var resets = Math.Max(UsedUp(limits.Member("primary"u8)), UsedUp(limits.Member("secondary"u8)));
        return resets > 0 ? DateTimeOffset.FromUnixTimeSeconds(resets) : null;
    }

    private static long UsedUp(JsonElement window) => window.Number("usedPercent"u8) >= 100 ? window.Number("resetsAt"u8) : 0;
}
