using Marionette.AgentConfigs;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Schedules;

/// <content>
/// The clock and the effects. A reminder brings the grain back after any crash, a timer finds the exact moment while it lives. A turn waits for the
/// session's append: calls go Schedule → Session, and the session never calls here.
/// </content>
internal sealed partial class ScheduleGrain
{
    private const string DueReminder = "due";

    /// <summary>Longest sleep of the timer; Orleans takes no more than some weeks.</summary>
    private static readonly TimeSpan LongestSleep = TimeSpan.FromHours(1), LongestReminder = TimeSpan.FromDays(1);

    /// <summary>The shortest period that Orleans takes.</summary>
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(1);

    /// <summary>The reminder comes this early, so that the timer is there at the second itself.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(10);

    /// <summary>A reminder that would ring for longer than this for nothing is moved.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan FirstLook = TimeSpan.FromSeconds(1), LastLook = TimeSpan.FromSeconds(15), Retry = TimeSpan.FromSeconds(5);

    private IGrainTimer? _timer;

    /// <summary>From here on the reminder rings every minute; null = not registered by this activation.</summary>
    private DateTimeOffset? _ringsFrom;

    public Task ReceiveReminder(string reminderName, TickStatus status) => Record is null ? ForgetReminderAsync() : WorkAsync();

    private Task OnTimerAsync(CancellationToken cancellationToken) => WorkAsync();

    /// <summary>Looks at the clock and at the tasks, then does what the row says is to be done.</summary>
    private async Task WorkAsync()
    {
        if (Record is null) return;
        try
        {
            await ObserveAsync();
            await CommitAsync(ScheduleMachine.Tick(Record, Now));
            foreach (var occurrence in Record.Live) await ActAsync(occurrence);
            await RemoveWhenDoneAsync();
            // A reminder that has rung for a far occurrence goes to sleep again.
            if (Record is not null) await RemindAsync(Record);
        }
        finally
        {
            Rearm();
        }
    }

    private async Task ObserveAsync()
    {
        foreach (var occurrence in Record!.Live)
        {
            if (occurrence.View.Status == OccurrenceStatus.Running && await ReadTaskAsync(occurrence.View.TaskId!, CancellationToken.None) is { } task)
                await CommitAsync(ScheduleMachine.Observed(Record, task, Now));
        }
    }

    private async Task ActAsync(LiveOccurrence occurrence)
    {
        if (occurrence.IsOver) await CleanUpAsync(occurrence);
        else if (occurrence.View.Status == OccurrenceStatus.Starting) await StartAsync(occurrence);
        else if (occurrence is { CancelAsked: true, View.Status: OccurrenceStatus.Running })
            await TryAsync(() => SessionOf(occurrence.View).CancelTaskAsync(
                new CancelTask(occurrence.View.TaskId!, "schedule", "A newer occurrence takes its place.")));
    }

    /// <summary>Queues an occurrence's task. Whoever does it again gets the same task.</summary>
    private async Task<(TaskView? Task, Exception? Fault)> StartAsync(LiveOccurrence occurrence)
    {
        TaskView? task = null;
        var fault = await TryAsync(async () => task = await SubmitAsync(occurrence));
        if (fault is null) await CommitAsync(ScheduleMachine.Submitted(Record!, occurrence.View.TaskId!, Now));
        else if (fault is MarionetteException { Code: var code } && IsFinal(code))
            await CommitAsync(ScheduleMachine.Refused(Record!, occurrence.View.TaskId!, code, fault.Message, Now));
        return (task, fault);
    }

    private async Task<TaskView> SubmitAsync(LiveOccurrence occurrence)
    {
        var (record, view) = (Record!, occurrence.View);
        var session = SessionOf(view);
        if (occurrence.OwnSession) await session.CreateAsync(await SessionForAsync(view));
        return await session.SubmitTaskAsync(new SubmitTask(
            view.TaskId!, occurrence.Prompt!, record.TimeoutSeconds, record.MaxRetries, record.Labels.SetItem("scheduled_task_id", _id), null));
    }

    /// <summary>
    /// A call to a session. It may fail in any way; what it was for stays in the row and is tried again, unless the session's own answer is final.
    /// </summary>
    private async Task<Exception?> TryAsync(Func<Task> call)
    {
        try
        {
            await call();
            return null;
        }
        catch (Exception e)
        {
            if (e is MarionetteException { Code: var code } && IsFinal(code)) Log.Refused(logger, _tenant, _id, e.Message);
            else Log.Postponed(logger, _tenant, _id, e.Message);
            return e;
        }
    }

    private static bool IsFinal(FaultCode code) =>
        code is FaultCode.NotFound or FaultCode.SessionClosed or FaultCode.Conflict or FaultCode.Invalid or FaultCode.TooLarge;

    private async Task<CreateSession> SessionForAsync(OccurrenceView view)
    {
        var template = Record!.Session!;
        var labels = template.Labels.SetItem("scheduled_task_id", _id);
        var config = template.AgentConfigId ?? await AgentConfigRows.DefaultAsync(log, _tenant, template.Agent, CancellationToken.None);
        return template with { Name = template.Name ?? $"{Record.Name} #{view.Number}", Labels = labels, AgentConfigId = config };
    }

    private async Task CleanUpAsync(LiveOccurrence occurrence)
    {
        var session = SessionOf(occurrence.View);
        var fault = await TryAsync(() => Record is { AfterRun: "suspend", Deleting: false }
            ? session.SuspendAsync("Its scheduled task has ended.")
            : session.TerminateAsync("Its scheduled task has ended."));
        // One that was never made, or that somebody ended, needs nothing more.
        if (fault is null or MarionetteException { Code: FaultCode.NotFound or FaultCode.SessionClosed })
            await CommitAsync(ScheduleMachine.CleanedUp(Record!, occurrence.View.TaskId!));
    }

    private async Task RemoveWhenDoneAsync()
    {
        if (Record is not { Deleting: true } record) return;
        foreach (var occurrence in record.Live) await ActAsync(occurrence);
        if (!Record.Live.IsEmpty) return;
        await row.ClearStateAsync();
        await ForgetReminderAsync();
        DeactivateOnIdle();
    }

    private ISessionGrain SessionOf(OccurrenceView view) => GrainFactory.GetGrain<ISessionGrain>(GrainKeys.Of(_tenant, view.SessionId!));

    /// <summary>Sets the timer for the next thing to do while this activation lives.</summary>
    private void Rearm(bool soon = false)
    {
        _timer?.Dispose();
        _timer = null;
        if (NextWork() is not { } next) return;
        var wait = soon ? TimeSpan.Zero : next - Now;
        wait = wait < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : wait > LongestSleep ? LongestSleep : wait;
        _timer = this.RegisterGrainTimer(OnTimerAsync, new GrainTimerCreationOptions(wait, Retry));
    }

    private DateTimeOffset? NextWork()
    {
        if (Record is not { } record) return null;
        var next = ScheduleMachine.NextDue(record);
        foreach (var occurrence in record.Live)
        {
            var look = occurrence.View.Status switch
            {
                OccurrenceStatus.Waiting => (DateTimeOffset?)null,
                OccurrenceStatus.Running => Now + Pause(Now - (occurrence.View.StartedAt ?? Now)),
                _ => Now + FirstLook,
            };
            if (look < next || next is null) next = look ?? next;
        }

        return next;
    }

    /// <summary>A task that has run for long is looked at less often.</summary>
    private static TimeSpan Pause(TimeSpan age) => age / 10 < FirstLook ? FirstLook : age / 10 > LastLook ? LastLook : age / 10;

    /// <summary>The reminder rings every minute from shortly before the next occurrence, and at once while one is under way.</summary>
    private async Task RemindAsync(ScheduleRecord record)
    {
        var now = Now;
        DateTimeOffset? from = record.Live.Length > 0 || record.Deleting ? now : ScheduleMachine.NextDue(record) - Ahead;
        if (from is null)
        {
            if (Record is not null) await ForgetReminderAsync();
            return;
        }

        if (from > now + LongestReminder) from = now + LongestReminder;
        // One that rings already, or rings in time and not a long time for nothing, stays: a write for every occurrence would be waste.
        if (_ringsFrom <= Max(from.Value, now + ReminderPeriod) && !(from > now + Idle && _ringsFrom < from - Idle)) return;
        await this.RegisterOrUpdateReminder(DueReminder, Max(from.Value, now) - now, ReminderPeriod);
        _ringsFrom = from;
    }

    private async Task ForgetReminderAsync()
    {
        _ringsFrom = null;
        if (await this.GetReminder(DueReminder) is { } reminder) await this.UnregisterReminder(reminder);
    }

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
