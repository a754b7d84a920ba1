using Marionette.Tasks;

namespace Marionette.Schedules;

/// <summary>
/// A prompt that comes again by the clock. Key: <c>tenant/stsk_…</c>. Calls go Schedule → Session, never back: how a task ended is read from its row.
/// </summary>
[Alias("mn.schedule.v1"), GrainInterfaceType("mn.schedule")]
public interface IScheduleGrain : IGrainWithStringKey
{
    /// <summary>Makes it. Idempotent: one that is there stays as it is.</summary>
    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    [Alias("create")] Task<ScheduleView> CreateAsync(ScheduleChange command, CancellationToken cancellationToken = default);

    /// <summary>The schedule.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<ScheduleView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Occurrences, newest first: those under way, and the last hundred that ended, were skipped or missed.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("history"), ReadOnly] ValueTask<ScheduleHistory> GetHistoryAsync(CancellationToken cancellationToken = default);

    /// <summary>Changes the members that are given. Another time or time zone counts from now on.</summary>
    /// <exception cref="MarionetteException">NotFound; Invalid, with every wrong field.</exception>
    [Alias("update")] Task<ScheduleView> UpdateAsync(ScheduleChange command, CancellationToken cancellationToken = default);

    /// <summary>No occurrences from now on; what runs goes on, what waits is skipped. Idempotent.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict when it has ended.</exception>
    [Alias("pause")] Task<ScheduleView> PauseAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>Active again, from now on; also after a pause or an end by failures. Idempotent.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict when its end date has passed.</exception>
    [Alias("resume")] Task<ScheduleView> ResumeAsync(CancellationToken cancellationToken = default);

    /// <summary>An occurrence now, whatever the clock and the overlap policy say. The same task id is one occurrence.</summary>
    /// <returns>The task that was queued.</returns>
    /// <exception cref="MarionetteException">NotFound; what submitting the task refuses.</exception>
    [Alias("trigger")] Task<TaskView> TriggerAsync(string taskId, CancellationToken cancellationToken = default);

    /// <summary>Removes it. Sessions that it made for occurrences under way are ended; a task in a session of the user's goes on. Idempotent.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("delete")] Task DeleteAsync(CancellationToken cancellationToken = default);
}
