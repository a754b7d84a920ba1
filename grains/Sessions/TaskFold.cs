using System.Collections.Immutable;
using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>The part of the fold that concerns tasks and their runs.</summary>
internal static class TaskFold
{
    /// <summary>Runs kept in a task's row.</summary>
    private const int RunsKept = 32;

    public static SessionState Apply(SessionState state, Entry e)
    {
        if (e.TaskId is not { } id) return state;
        if (e.Fact is TaskCreated created) return Created(state, e, created);
        if (e.Fact is TaskMoved moved) return Moved(state, id, moved);
        var at = IndexOf(state, id);
        if (at < 0 && e.Fact is TaskRetried { Task: { } ended })
        {
            // An ended task comes back: the event carries what its row held.
            at = state.Tasks.Length;
            state = state with { Tasks = state.Tasks.Add(new LiveTask { View = ended }), ResumeWhenSuspended = state.ResumeWhenSuspended || state.Stop == StopIntent.Suspend };
        }

        if (at < 0) return state;
        var task = state.Tasks[at];
        switch (e.Fact)
        {
            case TaskDispatched f:
                task = task with
                {
                    RunId = e.RunId, DispatchSeq = e.Seq, Started = false, CancelSeq = 0, CancelOutcome = null, CancelRequestedAt = null,
                    Live = UsageData.None,
                    View = WithRun(task.View, new RunView
                    {
                        Id = e.RunId!, TaskId = id, Attempt = f.Attempt, RunnerId = f.RunnerId, Status = RunStatus.Assigned,
                        QueuedAt = task.View.UpdatedAt, AssignedAt = e.At,
                    }) with { Status = TaskState.Running, Reason = "", UpdatedAt = e.At },
                };
                break;
            case TaskStarted f when e.RunId == task.RunId:
                task = task with
                {
                    Started = true,
                    View = WithRun(task.View, task.View.Runs[^1] with { Status = RunStatus.Running, StartedAt = e.At })
                        with { StartedAt = e.At, UpdatedAt = e.At, ConversationId = f.ConversationId ?? task.View.ConversationId },
                };
                state = state with
                {
                    View = state.View with
                    {
                        ConversationId = f.ConversationId ?? state.View.ConversationId, AgentVersion = f.AgentVersion ?? state.View.AgentVersion,
                    },
                };
                break;
            case TaskCancelRequested f:
                task = task with { CancelSeq = e.Seq, CancelOutcome = f.Outcome, CancelRequestedAt = e.At, View = task.View with { Reason = f.Reason ?? "", UpdatedAt = e.At } };
                break;
            case TaskInterrupted f:
                var used = UsageOf(f.Usage, f.CostUsd);
                task = task with
                {
                    RunId = null, Started = false, DispatchSeq = 0, Live = UsageData.None, Interruptions = task.Interruptions + (state.Stop == StopIntent.Suspend ? 0 : 1),
                    View = (task.View.Runs.Length > 0
                        ? WithRun(task.View, task.View.Runs[^1] with { Status = RunStatus.Interrupted, Usage = used, EndedAt = e.At })
                        : task.View) with { Status = TaskState.Queued, Reason = f.Reason, Usage = task.View.Usage + used, UpdatedAt = e.At },
                };
                state = state with { View = state.View with { Usage = state.View.Usage + used } };
                break;
            case TaskHeld f:
                (state, task) = HoldFold.Held(state, task, e, f);
                break;
            case TaskReleased:
                // Where a person has looked, what was cut off until then is no loop.
                if (task.Hold?.Kind == "failover") (state, task) = (state with { LossesInARow = 0 }, task with { Interruptions = 0 });
                task = task with { Hold = null, View = task.View with { Status = TaskState.Queued, Reason = "", ResumesAt = null, UpdatedAt = e.At } };
                break;
            case Output f:
                task = HoldFold.Noted(task, f);
                break;
            case TaskRetried f:
                if (f.Run is { } failed)
                {
                    task = task with { View = Ended(task.View, e, failed with { Outcome = TaskState.Failed }) };
                    state = state with { View = state.View with { Usage = state.View.Usage + UsageOf(failed) } };
                }

                task = new LiveTask
                {
                    View = task.View with
                    {
                        Status = TaskState.Queued, Reason = f.Run?.Error?.Message ?? "", RetryCount = task.View.RetryCount + 1, Result = null,
                        Error = null, EndedAt = null, LastSeq = null, UpdatedAt = e.At, StructuredOutput = null, FilesChanged = [], Progress = null,
                        RetriedByCommand = f.CommandId ?? task.View.RetriedByCommand,
                    },
                };
                break;
            case TaskEnded f:
                state = state with
                {
                    LossesInARow = 0,
                    View = state.View with { Usage = state.View.Usage + UsageOf(f), ConversationId = f.ConversationId ?? state.View.ConversationId },
                };
                return state with { Tasks = state.Tasks.RemoveAt(at) };
            default:
                return state;
        }

        return state with { Tasks = state.Tasks.SetItem(at, task) };
    }

    /// <summary>The task's row after its final event.</summary>
    public static TaskView Ended(TaskView view, Entry e, TaskEnded f)
    {
        view = WithRunEnded(view, e, f, f.Outcome switch
        {
            TaskState.Completed => RunStatus.Completed,
            TaskState.Canceled => RunStatus.Canceled,
            TaskState.TimedOut => RunStatus.TimedOut,
            _ => RunStatus.Failed,
        });
        return view with
        {
            Status = f.Outcome, Reason = f.Error?.Message ?? view.Reason, Result = f.Result, Error = f.Error, Usage = view.Usage + UsageOf(f),
            StructuredOutput = f.StructuredOutput?.GetRawText(), FilesChanged = [.. f.FilesChanged ?? []], ResumesAt = null,
            ConversationId = f.ConversationId ?? view.ConversationId, EndedAt = e.At, UpdatedAt = e.At, LastSeq = e.Seq,
        };
    }

    /// <summary>The view with the end of its newest run, if that has none yet.</summary>
    public static TaskView WithRunEnded(TaskView view, Entry e, TaskEnded f, RunStatus status) =>
        view.Runs.Length == 0 || view.Runs[^1].EndedAt is not null ? view : WithRun(view, view.Runs[^1] with
        {
            Status = status, Error = f.Error, ExitCode = f.Exit?.Code, Signal = f.Exit?.Signal, Usage = UsageOf(f), Turns = f.Turns,
            DurationMs = f.DurationMs, EndedAt = e.At,
        });

    public static Usage UsageOf(TaskEnded f) => UsageOf(f.Usage, f.CostUsd) with { Turns = f.Turns ?? 0, WallMs = f.DurationMs, ModelMs = f.ModelMs ?? 0 };

    /// <summary>A running task waits while a request of its run is open, and runs again when none is.</summary>
    public static SessionState WithWaiting(SessionState state, Entry e)
    {
        if (state.Current is not { } task) return state;
        var waits = state.Permissions.Any(p => p.View.RunId == task.RunId && p.View.Status == PermissionStatus.Pending);
        var status = waits ? TaskState.WaitingPermission : TaskState.Running;
        return task.View.Status == status
            ? state
            : state with { Tasks = state.Tasks.SetItem(0, task with { View = task.View with { Status = status, UpdatedAt = e.At } }) };
    }

    private static SessionState Created(SessionState state, Entry e, TaskCreated f)
    {
        var view = new TaskView
        {
            Id = e.TaskId!, SessionId = state.View.Id, Prompt = f.Prompt, Status = TaskState.Queued, MaxRetries = f.MaxRetries,
            TimeoutSeconds = f.TimeoutSeconds, ContinueFrom = f.ContinueFrom, Labels = f.Labels, Conversation = f.Conversation,
            Files = [.. f.Files ?? []], OutputSchema = f.OutputSchema?.GetRawText(), Budget = f.Budget, CreatedAt = e.At, UpdatedAt = e.At, FirstSeq = e.Seq,
        };
        return state with
        {
            Tasks = state.Tasks.Add(new LiveTask { View = view }),
            ResumeWhenSuspended = state.ResumeWhenSuspended || state.Stop == StopIntent.Suspend,
        };
    }

    /// <summary>Only tasks that wait move, and none before the one that runs.</summary>
    private static SessionState Moved(SessionState state, string id, TaskMoved f)
    {
        var at = IndexOf(state, id);
        if (at < 0 || state.Tasks[at].RunId is not null) return state;
        var rest = state.Tasks.RemoveAt(at);
        var to = f.Before is null ? rest.Length : IndexOf(state with { Tasks = rest }, f.Before);
        if (to < 0 || to < rest.Length && rest[to].RunId is not null) return state;
        return state with { Tasks = rest.Insert(to, state.Tasks[at]) };
    }

    public static Usage UsageOf(UsageData? tokens, decimal? cost)
    {
        tokens ??= UsageData.None;
        return new Usage(tokens.InputTokens, tokens.OutputTokens, tokens.CacheReadTokens, tokens.CacheWriteTokens, cost ?? 0);
    }

    private static TaskView WithRun(TaskView view, RunView run)
    {
        ImmutableArray<RunView> runs = view.Runs.Length > 0 && view.Runs[^1].Id == run.Id
            ? view.Runs.SetItem(view.Runs.Length - 1, run)
            : view.Runs.Add(run);
        return view with { Runs = runs.Length > RunsKept ? runs.RemoveAt(0) : runs };
    }

    private static int IndexOf(SessionState state, string taskId)
    {
        for (var i = 0; i < state.Tasks.Length; i++)
            if (state.Tasks[i].View.Id == taskId) return i;
        return -1;
    }
}
