using Marionette.Log;
using Marionette.Sessions;

namespace Marionette.Tasks;

/// <summary>Finds the task's session and passes commands on.</summary>
[GrainType("task")]
internal sealed class TaskGrain(ISessionLog log) : Grain, ITaskGrain
{
    private ISessionGrain? _session;
    private string _id = "";

    public async ValueTask<TaskView> GetAsync(CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).GetTaskAsync(_id, cancellationToken);

    public async Task<TaskView> CancelAsync(string? by, string? reason, CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).CancelTaskAsync(new CancelTask(_id, by, reason), cancellationToken);

    public async Task<TaskView> RetryAsync(string commandId, CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).RetryTaskAsync(new RetryTask(_id, commandId), cancellationToken);

    public async Task<MessageReceipt> SendMessageAsync(SendMessage message, CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).SendMessageAsync(message with { TaskId = _id }, cancellationToken);

    public async Task<TaskView> MoveAsync(string? before, CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).MoveTaskAsync(new MoveTask(_id, before), cancellationToken);

    public async Task<TaskView> ContinueAsync(string by, Budget? budget, CancellationToken cancellationToken) =>
        await (await SessionAsync(cancellationToken)).ContinueTaskAsync(new ContinueTask(_id, by, budget), cancellationToken);

    /// <summary>A task never changes its session, so the row is read once.</summary>
    private async ValueTask<ISessionGrain> SessionAsync(CancellationToken cancellationToken)
    {
        if (_session is not null) return _session;
        var key = this.GetPrimaryKeyString();
        var (tenant, id) = GrainKeys.Split(key);
        _id = id;
        if (await log.ReadRowAsync("task", key, cancellationToken) is not { } row)
        {
            DeactivateOnIdle();
            throw new MarionetteException(FaultCode.NotFound, "No such task.");
        }

        return _session = GrainFactory.GetGrain<ISessionGrain>(GrainKeys.Of(tenant, SessionRows.Task(row).SessionId));
    }
}
