using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>One agent session, the one writer of its log. Key: <c>tenant/sess_…</c>.</summary>
[Alias("mn.session.v1"), GrainInterfaceType("mn.session")]
public interface ISessionGrain : IGrainWithStringKey
{
    /// <summary>Creates it; returns once it is durable. Idempotent.</summary>
    [Alias("create")] Task<SessionView> CreateAsync(CreateSession command, CancellationToken cancellationToken = default);

    /// <summary>Snapshot. Waits for a running command, never for another read.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<SessionView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Interrupts what runs, releases the runner, keeps conversation and workspace. Idempotent; returns when it is on its way.</summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed.</exception>
    [Alias("suspend")] Task<SessionView> SuspendAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>The same, and says what becomes of the runner.</summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed; Invalid: its provider cannot pause a runner.</exception>
    [Alias("suspend-by")] Task<SessionView> SuspendAsync(SuspendSession command, CancellationToken cancellationToken = default);

    /// <summary>
    /// Goes back to a checkpoint: the next runner begins with its files, its home and its conversation. The log keeps what came after it. Repeating it changes nothing.
    /// </summary>
    /// <exception cref="MarionetteException">NotFound: session or checkpoint; SessionClosed; Conflict: the session has a runner, or what its last runner wrote is in no checkpoint and may not be lost.</exception>
    [Alias("restore")] Task<SessionView> RestoreAsync(RestoreSession command, CancellationToken cancellationToken = default);

    /// <summary>Gets a new runner, or lets a paused one go on. Idempotent; an active session stays as it is.</summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed.</exception>
    [Alias("resume")] Task<SessionView> ResumeAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>
    /// Moves the end of its life. There are warnings a day, an hour and ten minutes before it (<c>session.expiring</c>); then it is suspended, which stores its files, and
    /// ends. One whose newest files are in no checkpoint is put off by a day, and says so.
    /// </summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed; Invalid when the new end is not in the future.</exception>
    [Alias("extend")] Task<SessionView> ExtendAsync(ExtendSession command, CancellationToken cancellationToken = default);

    /// <summary>Ends it: tasks are canceled, open requests too, the runner is released. Idempotent.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("terminate")] Task<SessionView> TerminateAsync(string reason, CancellationToken cancellationToken = default);

    /// <summary>Accepts a prompt; returns once it is durable, not once it has run. A suspended session resumes.</summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed, QueueFull.</exception>
    [Alias("submit")] Task<TaskView> SubmitTaskAsync(SubmitTask command, CancellationToken cancellationToken = default);

    /// <summary>The task as the session knows it.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("task"), ReadOnly] ValueTask<TaskView> GetTaskAsync(string taskId, CancellationToken cancellationToken = default);

    /// <summary>See <see cref="ITaskGrain.CancelAsync"/>.</summary>
    [Alias("cancel-task")] Task<TaskView> CancelTaskAsync(CancelTask command, CancellationToken cancellationToken = default);

    /// <summary>See <see cref="ITaskGrain.RetryAsync"/>.</summary>
    [Alias("retry-task")] Task<TaskView> RetryTaskAsync(RetryTask command, CancellationToken cancellationToken = default);

    /// <summary>See <see cref="ITaskGrain.SendMessageAsync"/>.</summary>
    [Alias("message")] Task<MessageReceipt> SendMessageAsync(SendMessage message, CancellationToken cancellationToken = default);

    /// <summary>See <see cref="ITaskGrain.MoveAsync"/>.</summary>
    [Alias("move-task")] Task<TaskView> MoveTaskAsync(MoveTask command, CancellationToken cancellationToken = default);

    /// <summary>See <see cref="ITaskGrain.ContinueAsync"/>.</summary>
    [Alias("continue-task")] Task<TaskView> ContinueTaskAsync(ContinueTask command, CancellationToken cancellationToken = default);

    /// <summary>Changes name, labels, model, permission mode, budget. The agent is told of what concerns it.</summary>
    /// <exception cref="MarionetteException">NotFound, SessionClosed.</exception>
    [Alias("change")] Task<SessionView> ChangeAsync(ChangeSession command, CancellationToken cancellationToken = default);

    /// <summary>Answers a permission request; the first answer stands.</summary>
    /// <exception cref="MarionetteException">NotFound; AlreadyDecided, with the winner in the message.</exception>
    [Alias("decide")] Task<PermissionView> DecidePermissionAsync(DecidePermission command, CancellationToken cancellationToken = default);

    /// <summary>Hands an open permission request on.</summary>
    /// <exception cref="MarionetteException">NotFound; AlreadyDecided; Forbidden when somebody else is to answer it.</exception>
    [Alias("delegate")] Task<PermissionView> DelegatePermissionAsync(DelegatePermission command, CancellationToken cancellationToken = default);

    /// <summary>A runner's stream has come up at a gateway. The newest connection of an epoch replaces an older one.</summary>
    /// <exception cref="MarionetteException">Fenced when the epoch is not the session's; Unavailable while the runner is paused.</exception>
    [Alias("attach")] Task<RunnerAttachment> AttachRunnerAsync(AttachRunner command, IRunnerConnection connection, CancellationToken cancellationToken = default);

    /// <summary>
    /// Whether this activation still knows the stream. False after a move or a crash of its silo: the gateway attaches again.
    /// </summary>
    /// <exception cref="MarionetteException">Fenced when the epoch is not the session's.</exception>
    [Alias("knows")] ValueTask<bool> KnowsRunnerAsync(long epoch, string connectionId, CancellationToken cancellationToken = default);

    /// <summary>The stream ended. No change of state: the runner has its lease to come back.</summary>
    [Alias("detach")] Task DetachRunnerAsync(long epoch, string connectionId, CancellationToken cancellationToken = default);

    /// <summary>Appends what the runner said; returns the number up to which all is durable. Repeats are dropped.</summary>
    /// <exception cref="MarionetteException">Fenced; Invalid when a number is skipped; Unavailable when the store is away: send it again.</exception>
    [Alias("append")] Task<long> AppendOutputAsync(RunnerOutput output, CancellationToken cancellationToken = default);

    /// <summary>The runner of this epoch is gone for good.</summary>
    [Alias("runner-lost")] Task RunnerLostAsync(long epoch, string cause, string? detail, CancellationToken cancellationToken = default);

    /// <summary>Whether the epoch's runner was paused, as it was asked to be. Another epoch's is dropped.</summary>
    /// <param name="epoch">Epoch.</param>
    /// <param name="refusal">Why it was not; null = it stands still.</param>
    /// <param name="cancellationToken">Token.</param>
    [Alias("runner-paused")] Task RunnerPausedAsync(long epoch, string? refusal, CancellationToken cancellationToken = default);

    /// <summary>How far the start of the epoch's runner is. Told by the runner's grain; another epoch's is dropped.</summary>
    [Alias("runner-progress")] Task RunnerProgressAsync(long epoch, RunnerStep step, CancellationToken cancellationToken = default);

    /// <summary>What the network policy of the epoch's runner held back. Another epoch's is dropped.</summary>
    [Alias("network-blocked")] Task NetworkBlockedAsync(long epoch, BlockedTarget target, CancellationToken cancellationToken = default);

    /// <summary>How much of its processors the epoch's runner may use. Another epoch's is dropped.</summary>
    [Alias("runner-throttled")] Task RunnerThrottledAsync(long epoch, RunnerThrottle throttle, CancellationToken cancellationToken = default);

    /// <summary>
    /// Registers or renews a gateway's ear for <see cref="SessionFeedLease.Seconds"/>; returns the seq of the newest durable event.
    /// </summary>
    [Alias("listen")] ValueTask<SessionFeedLease> ListenAsync(ISessionObserver observer, CancellationToken cancellationToken = default);

    /// <summary>Takes the ear away.</summary>
    [Alias("unlisten")] ValueTask UnlistenAsync(ISessionObserver observer, CancellationToken cancellationToken = default);
}

/// <summary>What a gateway gets for listening.</summary>
/// <param name="LastSeq">Newest durable event at that moment; 0 when the session does not exist.</param>
/// <param name="Seconds">Renew well before this.</param>
[GenerateSerializer, Immutable, Alias("mn.session.feed-lease.v1")]
public sealed record SessionFeedLease([property: Id(0)] long LastSeq, [property: Id(1)] int Seconds);
