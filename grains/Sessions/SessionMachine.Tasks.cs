using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Tasks: their queue, their ends, their new runs.</content>
internal static partial class SessionMachine
{
    /// <param name="continued">Conversation of the task that it continues; null = none, or the session's newest.</param>
    public static Decision Submit(SessionState state, SubmitTask c, DecisionContext context, string? continued = null)
    {
        MustBeOpen(state);
        if (state.Find(c.TaskId) is not null) return new(state);
        if (state.Tasks.Length >= QueueLimit)
            throw new MarionetteException(FaultCode.QueueFull, $"{QueueLimit} tasks wait in this session; let some end first.");

        var scribe = new Scribe(state, context);
        scribe.Write(new TaskCreated(c.Prompt, c.Labels, c.TimeoutSeconds, c.MaxRetries, c.ContinueFrom, c.NewConversation ? NewConversation : continued,
            InfosOf(c.Files), ParseSchema(c.OutputSchema), OrNone(c.Budget)), c.TaskId);
        Wake(scribe);
        return scribe.Decide();
    }

    public static Decision Cancel(SessionState state, CancelTask c, DecisionContext context)
    {
        MustExist(state);
        if (state.Find(c.TaskId) is not { } task) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        if (task.CancelSeq > 0 && task.CancelOutcome != Paused) return new(state);
        var scribe = new Scribe(state, context);
        scribe.Write(new TaskCancelRequested(c.By, c.Reason, "canceled"), task.View.Id, task.RunId);
        if (task.RunId is null) EndCanceled(scribe, scribe.State.Find(c.TaskId)!);
        AfterEnd(scribe, task);
        return scribe.Decide();
    }

    /// <param name="ended">The task's row, when it is not among the live ones.</param>
    public static Decision Retry(SessionState state, TaskView? ended, RetryTask c, DecisionContext context)
    {
        MustBeOpen(state);
        if ((state.Find(c.TaskId)?.View ?? ended) is not { } view) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        if (view.RetriedByCommand == c.CommandId) return new(state);
        if (!view.IsFinal) throw new MarionetteException(FaultCode.Conflict, "The task has not ended; cancel it first.");
        var scribe = new Scribe(state, context);
        scribe.Write(new TaskRetried(view.Runs.Length + 1, c.CommandId, null, view), view.Id);
        Wake(scribe);
        return scribe.Decide();
    }

    public static Decision Move(SessionState state, MoveTask c, DecisionContext context)
    {
        MustBeOpen(state);
        foreach (var id in new[] { c.TaskId, c.Before ?? c.TaskId })
        {
            if (state.Find(id) is not { } task) throw new MarionetteException(FaultCode.NotFound, $"Task {id} does not wait in this session.");
            if (task.RunId is not null) throw new MarionetteException(FaultCode.Conflict, $"Task {id} runs; only tasks that wait have a place in the queue.");
        }

        if (c.Before == c.TaskId) return new(state);
        var scribe = new Scribe(state, context);
        scribe.Write(new TaskMoved(c.Before), c.TaskId);
        Wake(scribe);
        return scribe.Decide();
    }

    /// <summary>A session with work gets a runner; one that has it gets on.</summary>
    private static void Wake(Scribe scribe)
    {
        if (!scribe.State.HasWork) return;
        if (scribe.State.View.RunnerId is null || IsPaused(scribe.State)) Bring(scribe, "A task waits.");
        Dispatch(scribe);
    }

    /// <summary>What waited behind a task that was held may have no runner any more; else whoever suspended the session knows why.</summary>
    private static void AfterEnd(Scribe scribe, LiveTask ended)
    {
        if (ended.Hold is null) Dispatch(scribe);
        else Wake(scribe);
    }

    /// <summary>Hands the next task to the runner.</summary>
    private static void Dispatch(Scribe scribe)
    {
        var state = scribe.State;
        if (state.View is not { Status: SessionStatus.Active, RunnerId: { } runner }) return;
        if (state.Current is not null || !state.HasWork || state.Stop != StopIntent.None) return;
        if (Exceeded(state, state.Tasks[0], scribe.Context) is not null)
        {
            HoldForBudget(scribe, state.Tasks[0], null);
            return;
        }

        var task = state.Tasks[0].View;
        scribe.Write(new TaskDispatched(NextAttempt(task), runner), task.Id, scribe.NewId(EntityId.Run));
    }

    /// <summary>Value of a task's conversation that asks for a new one.</summary>
    internal const string NewConversation = "new";

    private static System.Text.Json.JsonElement? ParseSchema(string? schema) =>
        schema is null ? null : System.Text.Json.JsonDocument.Parse(schema).RootElement.Clone();

    private static int NextAttempt(TaskView task) => task.Runs.IsEmpty ? 1 : task.Runs[^1].Attempt + 1;

    private static void EndCanceled(Scribe scribe, LiveTask task)
    {
        if (task.RunId is { } run) CloseRequests(scribe, run, "The task ended.");
        CloseQuestion(scribe, task.View.Id, "The task ended.");
        if (task.CancelOutcome == Paused)
        {
            HoldForBudget(scribe, task, null);
            return;
        }

        if (task.CancelOutcome == "timed_out")
            End(scribe, task, TaskState.TimedOut, new RunError("timed_out", $"The run took longer than {task.View.TimeoutSeconds} s."), 0);
        else
            End(scribe, task, TaskState.Canceled, null, 0);
    }

    private static void End(Scribe scribe, LiveTask task, TaskState outcome, RunError? error, long source)
    {
        var attempt = task.View.Runs.IsEmpty ? 0 : task.View.Runs[^1].Attempt;
        var began = task.View.Runs.IsEmpty ? null : task.View.Runs[^1].StartedAt;
        var duration = task.RunId is not null && began is { } start ? (long)(scribe.Now - start).TotalMilliseconds : 0;
        scribe.Write(
            new TaskEnded(outcome, attempt, null, error, null, UsageData.None, null, Math.Max(0, duration), null, null), task.View.Id, task.RunId, source);
    }
}
