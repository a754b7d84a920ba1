using System.Text.Json;
using Marionette.Json;
using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>What a runner says, and what becomes of it.</content>
internal static partial class SessionMachine
{
    /// <summary>A stream of the session's runner is up. The first one makes the session active.</summary>
    public static Decision Attach(SessionState state, string runnerId, long epoch, DecisionContext context)
    {
        Fence(state, epoch);
        // Nobody asked it to go on: it stands still again in a moment, or an operator let it, and then it waits for its session.
        if (IsPaused(state)) throw new MarionetteException(FaultCode.Unavailable, "The runner is paused; connect again once the session resumes.");
        var scribe = new Scribe(state, context);
        scribe.Write(new RunnerConnected(runnerId, epoch));
        if (state.View.Status is SessionStatus.Pending or SessionStatus.Resuming) scribe.Write(new SessionActivated(runnerId, epoch));
        Dispatch(scribe);
        return scribe.Decide();
    }

    /// <summary>The epoch's runner is gone for good: what it ran waits for another one.</summary>
    public static Decision Lost(SessionState state, long epoch, string cause, string? detail, DecisionContext context)
    {
        if (!state.Exists || state.IsClosed || epoch != state.View.Epoch || state.View.RunnerId is not { } runner) return new(state);
        var scribe = new Scribe(state, context);
        var reason = detail ?? $"The runner was lost: {cause}.";
        CutOff(scribe, reason, isLoss: true);
        scribe.Write(new RunnerLost(runner, epoch, cause, detail)
        {
            Next = LossAdvice.For(cause, state.View.ProfileId is not null), CheckpointSeq = state.View.RecoveryPoint?.Seq,
        });
        // It is suspended, and stays so: the next resume begins with the checkpoint.
        if (IsPaused(state)) return scribe.Decide();
        if (scribe.State.LossesInARow >= InterruptionLimit)
        {
            // Nothing that starts again by itself would end differently. People look; a resume or a retry tries again.
            foreach (var task in scribe.State.Tasks)
                if (task.Hold is null) End(scribe, task, TaskState.Failed, new RunError("runner_lost", reason), 0);
        }

        // Who resumed a paused session gets a runner, also where nothing waits for it.
        if (state.Stop == StopIntent.Suspend || (!scribe.State.HasWork && state.Pause is null))
        {
            scribe.Write(new SessionSuspended(reason));
            AfterSuspend(scribe);
        }
        else
        {
            Assign(scribe, reason);
        }

        return scribe.Decide();
    }

    /// <summary>
    /// Appends what the runner said. Events at or below the acknowledged number are repeats and are dropped; a gap is refused. Control events
    /// become the session's own facts.
    /// </summary>
    public static Decision Append(SessionState state, RunnerOutput output, DecisionContext context)
    {
        Fence(state, output.Epoch);
        if (output.First > state.Acked + 1)
            throw new MarionetteException(FaultCode.Invalid, $"Events {state.Acked + 1} to {output.First - 1} are missing.");

        var scribe = new Scribe(state, context);
        var skip = (int)Math.Min(state.Acked + 1 - output.First, output.Events.Length);
        for (var i = skip; i < output.Events.Length; i++)
        {
            var e = output.Events[i];
            var source = output.First + i;
            // The runner's clock is a hint; a time that is no time falls back on ours.
            // A sign of life while it stops counts from when it came: a stop must not hang on the runner's clock.
            var at = e.Type != "checkpoint.progress" && e.AtMs is > 0 and < 253_402_300_800_000 ? DateTimeOffset.FromUnixTimeMilliseconds(e.AtMs) : context.Now;
            if (!IsControl(e.Type))
            {
                var type = FactCodec.IsLifecycle(e.Type) ? "log" : e.Type;
                var current = scribe.State.Current;
                var taskId = e.RunId is { } run && current?.RunId == run ? current.View.Id : null;
                if (taskId is not null && type is "usage" or "progress")
                {
                    // The task shows it, and budgets count it.
                    scribe.SettleOutputs();
                    scribe.Write(new Output(type, e.Payload), taskId, e.RunId, source, at);
                    if (type == "usage") CheckBudgets(scribe);
                    continue;
                }

                scribe.WriteOutput(new Output(type, e.Payload), taskId, e.RunId, source, at);
                continue;
            }

            scribe.SettleOutputs();
            Report(scribe, e, source);
        }

        scribe.SettleOutputs();
        return scribe.Decide();
    }

    private static bool IsControl(string type) =>
        type is "run.started" or "run.finished" or "permission.request" or "permission.withdrawn" or "permission.received" or "runner.stopped"
            or "message.received" or "message.refused" or "configure.applied" or "configure.refused" or "workspace.ready" or "checkpoint.created"
            or "runner.settled";

    private static void Report(Scribe scribe, OutputEvent e, long source)
    {
        var before = scribe.State.Seq;
        try
        {
            switch (e.Type)
            {
                case "run.started":
                    Started(scribe, e.RunId, Parse(e.Payload, GrainsJsonContext.Default.RunStartedReport), source);
                    break;
                case "run.finished":
                    Finished(scribe, e.RunId, Parse(e.Payload, GrainsJsonContext.Default.RunFinishedReport), source);
                    break;
                case "permission.request":
                    Asked(scribe, e.RunId, Parse(e.Payload, GrainsJsonContext.Default.PermissionReport), source);
                    break;
                case "permission.withdrawn" or "permission.received":
                    Noticed(scribe, e, Parse(e.Payload, GrainsJsonContext.Default.PermissionNotice), source);
                    break;
                case "message.received" or "message.refused":
                    MessageNoticed(scribe, e, Parse(e.Payload, GrainsJsonContext.Default.MessageNotice), source);
                    break;
                case "configure.applied" or "configure.refused":
                    Configured(scribe, e, Parse(e.Payload, GrainsJsonContext.Default.ConfigureNotice), source);
                    break;
                case "workspace.ready":
                    Ready(scribe, Parse(e.Payload, GrainsJsonContext.Default.WorkspaceReadyReport), source);
                    break;
                case "checkpoint.created":
                    Kept(scribe, e.RunId, Parse(e.Payload, GrainsJsonContext.Default.CheckpointReport), source);
                    break;
                case "runner.settled":
                    Settled(scribe, source);
                    break;
                default:
                    Stopped(scribe, Parse(e.Payload, GrainsJsonContext.Default.RunnerStoppedReport), source);
                    break;
            }
        }
        catch (JsonException exception)
        {
            scribe.Write(Unfit($"{e.Type} is malformed: {exception.Message}"), null, e.RunId, source);
        }

        // Every number of the runner stands in the log, also when what it says no longer fits (a run that was canceled meanwhile, say).
        if (scribe.State.Seq == before) scribe.Write(Unfit($"{e.Type} came too late and changes nothing."), null, e.RunId, source);
    }

    private static Output Unfit(string message) => new(
        "log", JsonSerializer.SerializeToUtf8Bytes(
            new Dictionary<string, string> { ["stream"] = "system", ["level"] = "warn", ["content"] = message }, LogJsonContext.Default.DictionaryStringString));

    private static void Started(Scribe scribe, string? runId, RunStartedReport report, long source)
    {
        if (scribe.State.Current is { } task && task.RunId == runId && !task.Started)
            scribe.Write(new TaskStarted(task.View.Runs[^1].Attempt, report.ConversationId, report.AgentVersion), task.View.Id, runId, source);
    }

    private static void Finished(Scribe scribe, string? runId, RunFinishedReport report, long source)
    {
        if (scribe.State.Current is not { } task || task.RunId != runId) return;
        CloseRequests(scribe, runId, "The run ended.");
        task = scribe.State.Current!;
        var attempt = task.View.Runs[^1].Attempt;
        // A run that was asked to end ends as asked, unless it made it before the request reached it.
        var outcome = task.CancelSeq > 0 && report.Outcome != "completed" ? task.CancelOutcome : report.Outcome;
        if (outcome == Paused)
        {
            HoldForBudget(scribe, task, EndOf(TaskState.Failed, attempt, report with { Error = new RunError("budget_exceeded", task.View.Reason) }), source);
        }
        else if (outcome == "interrupted")
        {
            if (IsOneTooMany(scribe.State, task))
                scribe.Write(EndOf(TaskState.Failed, attempt, report with { Error = new RunError("runner_lost", "The run was cut off too often.") }), task.View.Id, runId, source);
            else
                Interrupt(scribe, task, new TaskInterrupted(attempt, report.Error?.Message ?? "The run was interrupted.", report.Usage, report.CostUsd), source);
        }
        else
        {
            var state = outcome switch
            {
                "completed" => TaskState.Completed,
                "canceled" => TaskState.Canceled,
                "timed_out" => TaskState.TimedOut,
                _ => TaskState.Failed,
            };
            var end = EndOf(state, attempt, report);
            if (state == TaskState.Failed && HoldForModel(scribe, task, end, report.RetryAt, source))
            {
                // It waits.
            }
            else if (state == TaskState.Failed && task.View.RetryCount < task.View.MaxRetries && end.Error?.Code != "authentication_failed")
                scribe.Write(new TaskRetried(attempt + 1, null, end, null), task.View.Id, runId, source);
            else
                scribe.Write(end, task.View.Id, runId, source);
        }

        SettleMessages(scribe, task.View.Id);
        Dispatch(scribe);
    }

    private static TaskEnded EndOf(TaskState state, int attempt, RunFinishedReport report)
    {
        var error = state is TaskState.Failed ? report.Error ?? new RunError("internal", "The agent gave no reason.") : report.Error;
        return new TaskEnded(
            state, attempt, report.Result, error, report.Exit,
            report.Usage ?? UsageData.None, report.CostUsd, Math.Max(0, report.DurationMs ?? 0), report.Turns, report.ConversationId,
            report.StructuredOutput, report.FilesChanged, report.FilesChangedTruncated, report.ModelMs);
    }

    private static void Stopped(Scribe scribe, RunnerStoppedReport report, long source)
    {
        if (scribe.State.View.RunnerId is not { } runner) return;
        var isPaused = IsPaused(scribe.State);
        CutOff(scribe, report.Reason ?? "The runner stopped.");
        scribe.Write(new RunnerReleased(runner, scribe.State.View.Epoch, report.Reason ?? "stopped"), source: source);
        if (isPaused) return;
        if (scribe.State.Stop == StopIntent.Suspend || !scribe.State.HasWork)
        {
            scribe.Write(new SessionSuspended(Asked(scribe.State, "The runner stopped.")));
            AfterSuspend(scribe);
        }
        else
        {
            Assign(scribe, "The runner stopped.");
        }
    }

    /// <summary>Refuses all but the runner that the session has now.</summary>
    public static void Fence(SessionState state, long epoch)
    {
        MustExist(state);
        if (state.IsClosed || epoch != state.View.Epoch || state.View.RunnerId is null)
            throw new MarionetteException(FaultCode.Fenced, $"Epoch {epoch} is over; the session is at {state.View.Epoch}.");
    }

    private static T Parse<T>(byte[] payload, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json) where T : class =>
        JsonSerializer.Deserialize(payload, json) ?? throw new JsonException("null where an object is due");
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class LogJsonContext : System.Text.Json.Serialization.JsonSerializerContext;
