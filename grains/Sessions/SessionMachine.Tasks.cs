using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Tasks: their queue, their ends, their new runs.</content>
internal static partial class SessionMachine
{
    /// <summary><paramref name="ids"/> makes the ids of a runner and a run, should they be needed.</summary>
    public static Decision Submit(SessionState state, SubmitTask c, NewIds ids, string provider, DateTimeOffset now)
    {
        MustBeOpen(state);
        if (state.Find(c.TaskId) is not null) return new(state);
        if (state.Tasks.Length >= QueueLimit)
            throw new MarionetteException(FaultCode.QueueFull, $"{QueueLimit} tasks wait in this session; let some end first.");

        var scribe = new Scribe(state, now);
        scribe.Write(new TaskCreated(c.Prompt, c.Labels, c.TimeoutSeconds, c.MaxRetries, c.ContinueFrom), c.TaskId);
        Wake(scribe, ids, provider);
        return scribe.Decide();
    }

    public static Decision Cancel(SessionState state, CancelTask c, NewIds ids, DateTimeOffset now)
    {
        MustExist(state);
        if (state.Find(c.TaskId) is not { } task) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        if (task.CancelSeq > 0) return new(state);
        var scribe = new Scribe(state, now);
        scribe.Write(new TaskCancelRequested(c.By, c.Reason, "canceled"), task.View.Id, task.RunId);
        if (task.RunId is null) EndCanceled(scribe, scribe.State.Find(c.TaskId)!, now);
        Dispatch(scribe, ids);
        return scribe.Decide();
    }

    /// <param name="ended">The task's row, when it is not among the live ones.</param>
    public static Decision Retry(SessionState state, TaskView? ended, RetryTask c, NewIds ids, string provider, DateTimeOffset now)
    {
        MustBeOpen(state);
        if ((state.Find(c.TaskId)?.View ?? ended) is not { } view) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        if (view.RetriedByCommand == c.CommandId) return new(state);
        if (!view.IsFinal) throw new MarionetteException(FaultCode.Conflict, "The task has not ended; cancel it first.");
        var scribe = new Scribe(state, now);
        scribe.Write(new TaskRetried(view.Runs.Length + 1, c.CommandId, null, view), view.Id);
        Wake(scribe, ids, provider);
        return scribe.Decide();
    }

    /// <summary>A session with work gets a runner; one that has it gets on.</summary>
    private static void Wake(Scribe scribe, NewIds ids, string provider)
    {
        if (scribe.State.View.RunnerId is null) Assign(scribe, "A task waits.", ids.Runner, provider);
        Dispatch(scribe, ids);
    }

    /// <summary>Hands the next task to the runner.</summary>
    private static void Dispatch(Scribe scribe, NewIds ids)
    {
        var state = scribe.State;
        if (state.View is not { Status: SessionStatus.Active, RunnerId: { } runner }) return;
        if (state.Current is not null || state.Tasks.IsEmpty || state.Stop != StopIntent.None) return;
        var task = state.Tasks[0].View;
        scribe.Write(new TaskDispatched(NextAttempt(task), runner), task.Id, ids.Run);
    }

    private static int NextAttempt(TaskView task) => task.Runs.IsEmpty ? 1 : task.Runs[^1].Attempt + 1;

    private static void EndCanceled(Scribe scribe, LiveTask task, DateTimeOffset now)
    {
        CloseRequests(scribe, task.RunId, "The task ended.");
        if (task.CancelOutcome == "timed_out")
            End(scribe, task, TaskState.TimedOut, new RunError("timed_out", $"The run took longer than {task.View.TimeoutSeconds} s."), 0, now);
        else
            End(scribe, task, TaskState.Canceled, null, 0, now);
    }

    private static void End(Scribe scribe, LiveTask task, TaskState outcome, RunError? error, long source, DateTimeOffset now)
    {
        var attempt = task.View.Runs.IsEmpty ? 0 : task.View.Runs[^1].Attempt;
        var began = task.View.Runs.IsEmpty ? null : task.View.Runs[^1].StartedAt;
        var duration = task.RunId is not null && began is { } start ? (long)(now - start).TotalMilliseconds : 0;
        scribe.Write(
            new TaskEnded(outcome, attempt, null, error, null, UsageData.None, null, Math.Max(0, duration), null, null), task.View.Id, task.RunId, source);
    }
}

/// <summary>Fresh ids that a decision may use: made outside, so that the decision stays a function.</summary>
internal readonly record struct NewIds(string Runner, string Run);
