using Marionette.Tasks;

namespace Marionette.Schedules;

/// <summary>
/// What a schedule decides: static and total; no clock, no I/O, no random. An occurrence's task id follows from the schedule and the nominal time, so
/// that whoever decides it again, in whatever activation, names the same task.
/// </summary>
internal static partial class ScheduleMachine
{
    /// <summary>Occurrences that are kept when they are through.</summary>
    public const int HistoryLength = 100;

    /// <summary>Occurrences that may wait behind one another; further ones are skipped.</summary>
    public const int QueueLength = 100;

    /// <summary>Characters of the last result that a template gets.</summary>
    public const int LastResultLength = 16_000;

    /// <summary>Characters that a rendered prompt may have.</summary>
    public const int PromptLength = 256 * 1024;

    /// <summary>The id of an occurrence's task.</summary>
    public static string TaskIdOf(string scheduleId, DateTimeOffset scheduledAt) => EntityId.Derived(EntityId.Task, scheduledAt, scheduleId);

    /// <summary>The id of the session that is made for a task.</summary>
    public static string SessionIdOf(string taskId) => EntityId.Derived(EntityId.Session, EntityId.TimeOf(taskId) ?? DateTimeOffset.UnixEpoch, taskId);

    /// <summary>What the time, and the ends of tasks, bring: due occurrences, and the start of those that wait.</summary>
    public static ScheduleRecord Tick(ScheduleRecord state, DateTimeOffset now)
    {
        if (state.Deleting) return state;
        return StartWaiting(TakeDue(state, now), now);
    }

    /// <summary>An occurrence that somebody asks for. The same task id is one occurrence.</summary>
    public static ScheduleRecord Trigger(ScheduleRecord state, string taskId, DateTimeOffset now)
    {
        if (state.Live.Any(o => o.View.TaskId == taskId) || state.History.Any(o => o.TaskId == taskId)) return state;
        var view = new OccurrenceView { ScheduledAt = now, Manual = true, TaskId = taskId };
        return Start(state with { Live = state.Live.Add(new LiveOccurrence { View = view }) }, state.Live.Length, now);
    }

    /// <summary>The task is queued.</summary>
    public static ScheduleRecord Submitted(ScheduleRecord state, string taskId, DateTimeOffset now) =>
        With(state, taskId, now, o => o.View.Status != OccurrenceStatus.Starting
            ? o
            : o with { Prompt = null, View = o.View with { Status = OccurrenceStatus.Running } });

    /// <summary>The task cannot be queued, and trying again would not help.</summary>
    public static ScheduleRecord Refused(ScheduleRecord state, string taskId, FaultCode code, string reason, DateTimeOffset now)
    {
        if (state.Live.FirstOrDefault(o => o.View.TaskId == taskId) is not { View.Status: OccurrenceStatus.Starting }) return state;
        state = End(state, taskId, OccurrenceStatus.Failed, reason, now);
        // Nothing brings an ended session back: further occurrences would only fail too.
        return state is { SessionId: not null, Status: ScheduleStatus.Active or ScheduleStatus.Paused } && code is FaultCode.SessionClosed or FaultCode.NotFound
            ? Stop(state, ScheduleStatus.Disabled, $"Its session {state.SessionId} is no more: {reason}", now)
            : state;
    }

    /// <summary>What the task's row says.</summary>
    public static ScheduleRecord Observed(ScheduleRecord state, TaskView task, DateTimeOffset now)
    {
        if (!task.IsFinal || state.Live.FirstOrDefault(o => o.View.TaskId == task.Id) is not { View.Status: OccurrenceStatus.Running }) return state;
        var status = task.Status switch
        {
            TaskState.Completed => OccurrenceStatus.Completed,
            TaskState.Canceled => OccurrenceStatus.Canceled,
            _ => OccurrenceStatus.Failed,
        };
        if (status == OccurrenceStatus.Completed)
            state = state with { LastResult = Cut(task.Result) };
        return End(state, task.Id, status, task.Error?.Message ?? "", now);
    }

    /// <summary>The occurrence's session is taken care of; nothing is left to do for it.</summary>
    public static ScheduleRecord CleanedUp(ScheduleRecord state, string taskId)
    {
        var at = IndexOf(state, taskId);
        return at < 0 || !state.Live[at].IsOver ? state : Retire(state, at);
    }

    public static ScheduleRecord Pause(ScheduleRecord state, string reason, DateTimeOffset now) => state.Status switch
    {
        ScheduleStatus.Active => Stop(state, ScheduleStatus.Paused, reason, now),
        ScheduleStatus.Ended => throw new MarionetteException(FaultCode.Conflict, "The schedule has ended: its last occurrence has passed."),
        _ => state,
    };

    public static ScheduleRecord Resume(ScheduleRecord state, DateTimeOffset now)
    {
        if (state.Status == ScheduleStatus.Active) return state;
        var active = WithNext(state with
        {
            Status = ScheduleStatus.Active, Reason = "", ConsecutiveFailures = 0, Cursor = now, UpdatedAt = now,
        });
        return active.Status == ScheduleStatus.Active
            ? active
            : throw new MarionetteException(FaultCode.Conflict, "The schedule has ended: give it another end_at or cron_expression.");
    }

    /// <summary>Only what it left outside is still to be ended.</summary>
    public static ScheduleRecord Delete(ScheduleRecord state, DateTimeOffset now) => state with
    {
        Deleting = true, Status = ScheduleStatus.Ended, Reason = "It is being removed.", NextRunAt = null, UpdatedAt = now,
        Live = [.. state.Live.Where(o => o.OwnSession).Select(o => o with { View = o.View with { Status = OccurrenceStatus.Canceled, EndedAt = now } })],
    };

    /// <summary>When <see cref="Tick"/> next has something to do; null = never without a change.</summary>
    public static DateTimeOffset? NextDue(ScheduleRecord state) => state is { Status: ScheduleStatus.Active, Deleting: false } ? state.NextRunAt : null;

    private static ScheduleRecord End(ScheduleRecord state, string taskId, OccurrenceStatus status, string reason, DateTimeOffset now)
    {
        var at = IndexOf(state, taskId);
        var over = state.Live[at] with { Prompt = null, View = state.Live[at].View with { Status = status, Reason = Sentence(reason), EndedAt = now } };
        state = state with { Live = state.Live.SetItem(at, over), LastStatus = status, UpdatedAt = now };
        // A session of its own has to be ended first; the row says so until it is.
        if (!over.OwnSession || state.AfterRun == "keep") state = Retire(state, at);
        return StartWaiting(Count(state, status, reason, now), now);
    }

    private static ScheduleRecord Count(ScheduleRecord state, OccurrenceStatus status, string reason, DateTimeOffset now)
    {
        if (status == OccurrenceStatus.Completed) return state with { ConsecutiveFailures = 0 };
        if (status != OccurrenceStatus.Failed) return state;
        state = state with { FailureCount = state.FailureCount + 1, ConsecutiveFailures = state.ConsecutiveFailures + 1 };
        if (state.Status != ScheduleStatus.Active || state.ConsecutiveFailures < state.MaxConsecutiveFailures) return state;
        var why = $"{state.ConsecutiveFailures} failures in a row; the last: {Sentence(reason)}";
        return state.OnFailure switch
        {
            "pause_on_failure" => Stop(state, ScheduleStatus.Paused, why, now),
            "disable_on_failure" => Stop(state, ScheduleStatus.Disabled, why, now),
            _ => state,
        };
    }

    /// <summary>No occurrences any more; those that wait are skipped.</summary>
    private static ScheduleRecord Stop(ScheduleRecord state, ScheduleStatus status, string reason, DateTimeOffset now)
    {
        state = state with { Status = status, Reason = reason, NextRunAt = null, UpdatedAt = now };
        while (state.Live.FirstOrDefault(o => o.View.Status == OccurrenceStatus.Waiting) is { } waiting)
            state = Skip(state with { Live = state.Live.Remove(waiting) }, waiting.View, $"The schedule was {(status == ScheduleStatus.Paused ? "paused" : "stopped")}.", now);
        return state;
    }

    private static ScheduleRecord Retire(ScheduleRecord state, int at) =>
        Remember(state with { Live = state.Live.RemoveAt(at) }, state.Live[at].View);

    private static ScheduleRecord Skip(ScheduleRecord state, OccurrenceView view, string reason, DateTimeOffset now) =>
        Remember(state, view with { Status = OccurrenceStatus.Skipped, Reason = reason, TaskId = null, SessionId = null, EndedAt = now })
            with { SkippedCount = state.SkippedCount + 1 };

    private static ScheduleRecord Remember(ScheduleRecord state, OccurrenceView view) => state with
    {
        History = [.. state.History.Insert(0, view).Take(HistoryLength)],
    };

    private static ScheduleRecord With(ScheduleRecord state, string taskId, DateTimeOffset now, Func<LiveOccurrence, LiveOccurrence> change)
    {
        var at = IndexOf(state, taskId);
        if (at < 0) return state;
        var changed = change(state.Live[at]);
        return ReferenceEquals(changed, state.Live[at]) ? state : state with { Live = state.Live.SetItem(at, changed), UpdatedAt = now };
    }

    private static int IndexOf(ScheduleRecord state, string taskId)
    {
        for (var i = 0; i < state.Live.Length; i++)
            if (state.Live[i].View.TaskId == taskId) return i;
        return -1;
    }

    private static string Sentence(string text) => text.Length > 300 ? text[..299] + "…" : text;

    private static string? Cut(string? text)
    {
        if (text is null || text.Length <= LastResultLength) return text;
        var end = char.IsHighSurrogate(text[LastResultLength - 1]) ? LastResultLength - 1 : LastResultLength;
        return text[..end];
    }
}
