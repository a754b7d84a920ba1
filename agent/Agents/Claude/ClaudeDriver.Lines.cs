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
            if (!current.Heard && ((ClaudeProcess)source).Turns > 1)
                current.Again = TurnRetry.OldConversation;
            current.Complete(current.Verdict ?? ClaudeEnd.Explain(status, source.ErrorTail));
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
            case "command_lifecycle" when line.Text("command_uuid"u8) == turn?.PromptId:
                HandleLifecycle(line.Text("state"u8));
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

                translator.Init(RunId, line);
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
                permissions.Ask(current.Id, id, ClaudeAsk.Of(request));
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

    // Tells when Claude begins with our prompt: it may be in the middle of a turn of its own.
    private void HandleLifecycle(string? state)
    {
        if (turn is not { } current)
            return;
        var waited = current.IsQueued;
        current.IsQueued = state == "queued";
        if (waited && state is "refused" or "discarded")
            current.Complete(RunResult.Failed(ErrorCodes.AgentProtocol, $"Claude Code has {state} the prompt."));
    }

    private void HandleResult(ClaudeProcess source, JsonElement line)
    {
        if (turn is not { } current || !ReferenceEquals(current.Process, source) || current.IsQueued)
        {
            // Claude may take a turn by itself (a background command ended); its result is nobody's.
            source.Cost = line.Fraction("total_cost_usd"u8);
            return;
        }

        if (source is { Launch.Resumed: true, Ready: false } && ClaudeResult.IsConversationMissing(line))
        {
            current.Again = TurnRetry.NewConversation; // the process ends by itself
            return;
        }

        var result = ClaudeResult.Read(line, source.Cost);
        source.Cost = line.Fraction("total_cost_usd"u8);
        if (current.Verdict is { } verdict)
            result = verdict with { Usage = result.Usage, Cost = result.Cost, Turns = result.Turns };
        else if (current.DeniedWithInterrupt && result.Outcome == Outcomes.Failed)
            result = result with { Outcome = Outcomes.Canceled, ErrorCode = null, ErrorMessage = null };
        permissions.WithdrawAll("the turn ended");
        translator.TurnEnded(current.Id);
        sink.Commit();
        current.Complete(result);
    }

    private void Malformed(ReadOnlySpan<byte> line, string what)
    {
        var note = System.Text.Encoding.UTF8.GetBytes($"Claude Code printed a line that is {what}: ");
        sink.Log(RunId, LogStream.Stdout, LogSeverity.Warn, [.. note, .. Utf8Text.Head(line, ShownBytes)]);
    }
}
