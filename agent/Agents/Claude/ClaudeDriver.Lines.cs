using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Claude;

/// <content>What Claude prints, line by line.</content>
internal sealed partial class ClaudeDriver
{
    private const int ShownBytes = 4096;

    // The server takes 256 levels, and an event wraps what Claude printed into a few more.
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 240 };

    private bool skipping;

    private byte[] RunId => turn?.Id ?? [];

    void ILineListener.OnLine(LineProcess source, ReadOnlyMemory<byte> line, bool partial)
    {
        stall.Touch();
        if (turn is { } current && ReferenceEquals(current.Process, source))
            current.Heard = true;
        if (partial || skipping)
        {
            if (!skipping)
                Malformed(line.Span, "longer than 64 MiB");
            skipping = partial;
            return;
        }

        if (line.Span.Trim(" \r\t"u8).IsEmpty)
            return;
        var text = Utf8Text.MendJson(line);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, Deep);
        }
        catch (JsonException)
        {
            Malformed(line.Span, "not valid JSON");
            return;
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                Malformed(line.Span, "not a JSON object");
                return;
            }

            if (services.Setup.Current.IncludeRaw)
                sink.Emit("raw"u8, RunId, text, static (json, raw) => json.WriteString("line"u8, raw.Span));
            Handle((ClaudeProcess)source, document.RootElement);
        }
    }

    void ILineListener.OnErrorLine(LineProcess source, ReadOnlyMemory<byte> line)
    {
        if (line.IsEmpty)
            return;
        stall.Touch();
        sink.Log(RunId, LogStream.Stderr, LogSeverity.Warn, line.Span);
    }

    ValueTask ILineListener.OnDrainedAsync(CancellationToken cancellationToken)
    {
        sink.Commit();
        return sink.WaitForSpaceAsync(cancellationToken);
    }

    void ILineListener.OnEnded(LineProcess source, ExitStatus status)
    {
        log.ChildEnded(source.Pid, status.ToString());
        var claude = (ClaudeProcess)source;
        claude.Control.Ended();
        claude.Launch.Options.Forget(services.Config.StateDir);
        if (ReferenceEquals(process, source))
        {
            process = null;
            services.Journal.Child(0, 0);
        }

        permissions.WithdrawAll("the agent's process ended");
        if (turn is { } current && ReferenceEquals(current.Process, source))
        {
            translator.TurnEnded(current.Id);
            sink.Commit();
            // A kept process may die between two runs: the prompt went into a pipe that nobody read.
            if (!current.Heard && claude.Turns > 1)
                current.Again = TurnRetry.OldConversation;
            current.Complete(current.Mail.WithEarlier(current.Verdict ?? ClaudeEnd.Explain(status, source.ErrorTail)));
            foreach (var unread in current.Mail.Unread)
                current.Mail.GiveUp(unread);
        }

        sink.Commit();
    }

    private void Handle(ClaudeProcess source, JsonElement line)
    {
        switch (line.Text("type"u8))
        {
            case "stream_event":
                translator.StreamEvent(RunId, line);
                break;
            case "assistant":
                var calls = translator.Assistant(RunId, line);
                if (turn is { } calling)
                    calling.OpenTools += calls;
                break;
            case "user":
                var results = translator.User(RunId, line);
                if (turn is { } called)
                    called.OpenTools = Math.Max(0, called.OpenTools - results);
                break;
            case "system":
                HandleSystem(source, line);
                break;
            case "control_request":
                HandleRequest(source, line);
                break;
            case "control_cancel_request":
                permissions.Withdraw(line.Text("request_id"u8) ?? "", "the agent does not ask any more");
                break;
            case "control_response":
                source.Launch.Options.Forget(services.Config.StateDir); // the first one comes when everything was read
                source.Control.Answered(line);
                break;
            case "command_lifecycle" when turn is { } current:
                HandleLifecycle(current, line.Text("command_uuid"u8) ?? "", line.Text("state"u8));
                break;
            case "rate_limit_event":
                HandleQuota(line.Member("rate_limit_info"u8));
                break;
            case "result":
                HandleResult(source, line);
                break;
        }
    }

    private void HandleSystem(ClaudeProcess source, JsonElement line)
    {
        switch (line.Text("subtype"u8))
        {
            case "init":
                source.Ready = true;
                AgentVersion = line.Text("claude_code_version"u8) ?? AgentVersion;
                if (line.Text("session_id"u8) is { Length: > 0 } id && id != conversation)
                {
                    conversation = id;
                    services.Journal.Conversation(id);
                }

                if (line.Text("permissionMode"u8) is { } first)
                    source.Enters(first);
                translator.Init(RunId, line);
                break;
            case "status" when line.Text("permissionMode"u8) is { } mode:
                Entered(source, mode);
                break;
            case "status" when line.Text("status"u8) is "requesting" or "compacting":
                translator.Phase(RunId, line.Text("status"u8)!);
                break;
            case "api_retry":
                // Claude would ask ten times more with a key that is refused: no retry follows, so none is told.
                if (line.Number("error_status"u8) is 401 or 403 || line.Text("error"u8) == "authentication_failed")
                    RefusedKey(source, line);
                else
                    translator.Retry(RunId, line);
                break;
        }
    }

    private void Entered(ClaudeProcess source, string mode)
    {
        if (source.Enters(mode))
            translator.Mode(RunId, mode);
    }

    private void RefusedKey(ClaudeProcess source, JsonElement line)
    {
        if (turn is not { Verdict: null } current)
            return;
        current.Verdict = RunResult.Failed(
            ErrorCodes.AuthenticationFailed,
            $"The model refused the credential (HTTP {line.Number("error_status"u8)}, {line.Text("error"u8)}).");
        source.Kill();
    }

    private void HandleRequest(ClaudeProcess source, JsonElement line)
    {
        var id = line.Text("request_id"u8) ?? "";
        var request = line.Member("request"u8);
        switch (request.Text("subtype"u8))
        {
            case "can_use_tool" when turn is { } current:
                var plan = request.Text("tool_name"u8) == ClaudeAsk.PlanTool
                    ? ClaudePlan.Find(services.Config.HomeDir, translator.LastPlan)
                    : null;
                permissions.Ask(current.Id, id, ClaudeAsk.Of(request, plan));
                break;
            case "can_use_tool":
                _ = TellAsync(source, ClaudeMessages.Deny(id, "No task is under way.", interrupt: true));
                break;
            case "hook_callback":
                _ = TellAsync(source, ClaudeMessages.Continue(id));
                break;
            case var other:
                _ = TellAsync(source, ClaudeMessages.Refuse(id, $"Unsupported control request subtype: {other}"));
                break;
        }
    }

    // Tells when Claude begins with our prompt, or with a message: it may be in the middle of a turn of its own.
    private static void HandleLifecycle(ClaudeTurn current, string id, string? state)
    {
        if (id != current.PromptId)
        {
            if (current.Mail.Told(id, state) is { } held)
                current.Complete(held);
            return;
        }

        var waited = current.IsQueued;
        current.IsQueued = state == "queued";
        if (waited && state is "refused" or "discarded")
            current.Complete(RunResult.Failed(ErrorCodes.AgentProtocol, $"Claude Code has {state} the prompt."));
    }

    // Told before the turn fails: when the account may go on.
    private void HandleQuota(JsonElement quota)
    {
        if (turn is { } current && quota.Text("status"u8) == "rejected" && quota.Number("resetsAt"u8) is > 0 and var seconds)
            current.QuotaResetsAt = DateTimeOffset.FromUnixTimeSeconds(Math.Min(seconds, ClaudeResult.LatestReset));
    }

    private void HandleResult(ClaudeProcess source, JsonElement line)
    {
        if (turn is not { } current || !ReferenceEquals(current.Process, source) || current.IsQueued)
        {
            // Claude may take a turn by itself (a background command ended); its result is nobody's.
            ClaudeResult.KeepSums(source, line);
            return;
        }

        if (source is { Launch.Resumed: true, Ready: false } && ClaudeResult.IsConversationMissing(line))
        {
            current.Again = TurnRetry.NewConversation; // the process ends by itself
            return;
        }

        var result = ClaudeResult.Read(line, source, current.QuotaResetsAt);
        ClaudeResult.KeepSums(source, line);
        if (current.Verdict is { } verdict)
            result = verdict with { Usage = result.Usage, Cost = result.Cost, Turns = result.Turns };
        else if (current.DeniedWithInterrupt && result.Outcome == Outcomes.Failed)
            result = result with { Outcome = Outcomes.Canceled, ErrorCode = null, ErrorMessage = null };
        permissions.WithdrawAll("the turn ended");
        translator.TurnEnded(current.Id);
        sink.Commit();
        var whole = result.Outcome == Outcomes.Completed ? current.Mail.Add(result) : current.Mail.WithEarlier(result);
        if (whole is not null)
            current.Complete(whole);
    }

    private void Malformed(ReadOnlySpan<byte> line, string what)
    {
        var note = System.Text.Encoding.UTF8.GetBytes($"Claude Code printed a line that is {what}: ");
        sink.Log(RunId, LogStream.Stdout, LogSeverity.Warn, [.. note, .. Utf8Text.Head(line, ShownBytes)]);
    }
}
