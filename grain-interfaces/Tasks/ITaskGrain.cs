namespace Marionette.Tasks;

/// <summary>
/// A task by its own id. Key: <c>tenant/task_…</c>. It knows its session and passes commands on; the truth stands in the
/// session's log, written by <see cref="Sessions.ISessionGrain"/>. Calls go Task → Session → Runner, never back.
/// </summary>
[Alias("mn.task.v1"), GrainInterfaceType("mn.task")]
public interface ITaskGrain : IGrainWithStringKey
{
    /// <summary>The task, from its session.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view")] ValueTask<TaskView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Asks for its end. Idempotent; canceling a canceled task changes nothing.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict when it ended otherwise.</exception>
    [Alias("cancel")] Task<TaskView> CancelAsync(string? by, string? reason, CancellationToken cancellationToken = default);

    /// <summary>Queues an ended task again as a new run.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict while it has not ended or the session has.</exception>
    [Alias("retry")] Task<TaskView> RetryAsync(string commandId, CancellationToken cancellationToken = default);
}
