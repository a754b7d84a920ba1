using Marionette.Sessions;

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

    /// <summary>
    /// Says more about the task: into the turn that runs, where the agent can take it, else as a task of its own that continues this one.
    /// Nothing is lost: what the turn did not take becomes such a task too.
    /// </summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed, QueueFull.</exception>
    [Alias("message")] Task<MessageReceipt> SendMessageAsync(SendMessage message, CancellationToken cancellationToken = default);

    /// <summary>Puts a waiting task elsewhere in its session's queue.</summary>
    /// <param name="before">Task of the same queue; null = the end.</param>
    /// <exception cref="MarionetteException">NotFound; Conflict when one of them does not wait.</exception>
    [Alias("move")] Task<TaskView> MoveAsync(string? before, CancellationToken cancellationToken = default);

    /// <summary>Lets a task go on that waits for quota, the model or a budget. A task that does not wait stays as it is.</summary>
    /// <param name="budget">Its own budget from now on; null = as it was, with the same amount granted once more where it was its own that ran out.</param>
    /// <exception cref="MarionetteException">NotFound, SessionClosed; Conflict when it has ended.</exception>
    [Alias("continue")] Task<TaskView> ContinueAsync(string by, Budget? budget, CancellationToken cancellationToken = default);
}
