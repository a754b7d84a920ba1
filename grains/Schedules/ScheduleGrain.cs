using Marionette.Log;
using Marionette.Tasks;
using Microsoft.Extensions.Logging;

namespace Marionette.Schedules;

/// <summary>
/// The shell around <see cref="ScheduleMachine"/>: decide, write the row, act, write what came of it. The row is written before the effect and the effect is
/// derived from it, so that a crash anywhere leaves either an occurrence that is decided anew or one whose task is submitted again under the same id.
/// </summary>
[GrainType("schedule")]
internal sealed partial class ScheduleGrain(
    [PersistentState("scheduled_task", StorageNames.State)] IPersistentState<ScheduleRecord> row, ISessionLog log, TimeProvider clock,
    ILogger<ScheduleGrain> logger) : Grain, IScheduleGrain, IRemindable
{
    private string _tenant = "", _id = "";

    private ScheduleRecord? Record => row.RecordExists ? row.State : null;

    private DateTimeOffset Now => clock.GetUtcNow();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (_tenant, _id) = GrainKeys.Split(this.GetPrimaryKeyString());
        if (Record is not null) Rearm(soon: true);
        return Task.CompletedTask;
    }

    public async Task<ScheduleView> CreateAsync(ScheduleChange command, CancellationToken cancellationToken)
    {
        if (Record is null) await CommitAsync(ScheduleMachine.Create(_id, command, Now));
        return Record!.ToView();
    }

    public ValueTask<ScheduleView> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Known().ToView());

    public ValueTask<ScheduleHistory> GetHistoryAsync(CancellationToken cancellationToken)
    {
        var record = Known();
        return ValueTask.FromResult(new ScheduleHistory([.. record.Live.Select(o => o.View).Reverse(), .. record.History]));
    }

    public async Task<ScheduleView> UpdateAsync(ScheduleChange command, CancellationToken cancellationToken)
    {
        await CommitAsync(ScheduleMachine.Update(Known(), command, Now));
        return Record!.ToView();
    }

    public async Task<ScheduleView> PauseAsync(string reason, CancellationToken cancellationToken)
    {
        await CommitAsync(ScheduleMachine.Pause(Known(), reason, Now));
        return Record!.ToView();
    }

    public async Task<ScheduleView> ResumeAsync(CancellationToken cancellationToken)
    {
        await CommitAsync(ScheduleMachine.Resume(Known(), Now));
        return Record!.ToView();
    }

    public async Task<TaskView> TriggerAsync(string taskId, CancellationToken cancellationToken)
    {
        await CommitAsync(ScheduleMachine.Trigger(Known(), taskId, Now));
        if (Record!.Live.FirstOrDefault(o => o.View.TaskId == taskId) is { View.Status: OccurrenceStatus.Starting } starting)
        {
            var (task, fault) = await StartAsync(starting);
            return task ?? throw fault!;
        }

        return await ReadTaskAsync(taskId, cancellationToken)
            ?? throw new MarionetteException(FaultCode.Conflict, Record.History.FirstOrDefault(o => o.TaskId == taskId)?.Reason ?? "The occurrence has no task.");
    }

    public async Task DeleteAsync(CancellationToken cancellationToken)
    {
        await CommitAsync(ScheduleMachine.Delete(Known(), Now));
        await RemoveWhenDoneAsync();
    }

    private ScheduleRecord Known() => Record is { Deleting: false } record
        ? record
        : throw new MarionetteException(FaultCode.NotFound, "There is no such scheduled task.");

    /// <summary>
    /// Writes what was decided. The reminder goes first: one too many finds nothing to do, one too few would lose an occurrence. A write that fails
    /// leaves memory that is not to be trusted: the next activation reads the row.
    /// </summary>
    private async Task CommitAsync(ScheduleRecord decided)
    {
        var (before, kept) = (Record, row.State);
        if (ReferenceEquals(before, decided)) return;
        try
        {
            await RemindAsync(decided);
            row.State = decided;
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = kept;
            DeactivateOnIdle();
            throw;
        }

        if (before?.Status != decided.Status) Log.StatusChanged(logger, _tenant, _id, decided.Status, decided.Reason);
        Rearm();
    }

    private async Task<TaskView?> ReadTaskAsync(string taskId, CancellationToken cancellationToken) =>
        await log.ReadRowAsync("task", GrainKeys.Of(_tenant, taskId), cancellationToken) is { } json ? Sessions.SessionRows.Task(json) : null;

    private static partial class Log
    {
        [LoggerMessage(1501, LogLevel.Information, "Schedule {Tenant}/{Schedule} is {Status} ({Reason})", EventName = "schedule.status")]
        public static partial void StatusChanged(ILogger logger, string tenant, string schedule, ScheduleStatus status, string reason);

        [LoggerMessage(1502, LogLevel.Warning, "A call for schedule {Tenant}/{Schedule} failed; it is tried again: {Cause}", EventName = "schedule.call.postponed")]
        public static partial void Postponed(ILogger logger, string tenant, string schedule, string cause);

        [LoggerMessage(1503, LogLevel.Warning, "A call for schedule {Tenant}/{Schedule} was refused: {Cause}", EventName = "schedule.call.refused")]
        public static partial void Refused(ILogger logger, string tenant, string schedule, string cause);
    }
}
