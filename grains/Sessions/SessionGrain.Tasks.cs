using System.Collections.Immutable;
using Marionette.Budgets;
using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Tasks, messages into them, and what the session may change.</content>
internal sealed partial class SessionGrain
{
    /// <summary>How old the tenant's spending may be when a run begins or goes on: its budget is a soft limit.</summary>
    private static readonly TimeSpan TenantFreshness = TimeSpan.FromSeconds(15);

    private TenantSpending? _tenantSpending;
    private DateTimeOffset _tenantAsked = DateTimeOffset.MinValue;

    public async Task<TaskView> SubmitTaskAsync(SubmitTask command, CancellationToken cancellationToken)
    {
        MustExist();
        if (_state.Find(command.TaskId) is null && await ReadTaskAsync(command.TaskId, cancellationToken) is { } ended) return ended;
        var continued = await ContinuedAsync(command, cancellationToken);
        await RefreshTenantAsync();
        var files = command.Files.IsDefaultOrEmpty ? null : SessionRows.Files(_tenant, command.TaskId, command.Files);
        await CommitAsync(SessionMachine.Submit(_state, command, Context(), continued), files, cancellationToken);
        return _state.Find(command.TaskId)!.View;
    }

    public async ValueTask<TaskView> GetTaskAsync(string taskId, CancellationToken cancellationToken)
    {
        MustExist();
        return _state.Find(taskId)?.View ?? await ReadTaskAsync(taskId, cancellationToken)
            ?? throw new MarionetteException(FaultCode.NotFound, "No such task.");
    }

    public async Task<TaskView> CancelTaskAsync(CancelTask command, CancellationToken cancellationToken)
    {
        MustExist();
        if (_state.Find(command.TaskId) is null && await ReadTaskAsync(command.TaskId, cancellationToken) is { } ended)
        {
            if (ended.Status == TaskState.Canceled) return ended;
            throw new MarionetteException(FaultCode.Conflict, $"The task has ended: {ended.Status.ToString().ToLowerInvariant()}.");
        }

        await CommitAsync(SessionMachine.Cancel(_state, command, Context()), cancellationToken);
        return await GetTaskAsync(command.TaskId, cancellationToken);
    }

    public async Task<TaskView> RetryTaskAsync(RetryTask command, CancellationToken cancellationToken)
    {
        var ended = _state.Find(command.TaskId) is null ? await ReadTaskAsync(command.TaskId, cancellationToken) : null;
        await CommitAsync(SessionMachine.Retry(_state, ended, command, Context()), cancellationToken);
        return await GetTaskAsync(command.TaskId, cancellationToken);
    }

    public async Task<MessageReceipt> SendMessageAsync(SendMessage message, CancellationToken cancellationToken)
    {
        MustExist();
        var own = SessionMachine.TaskOf(message.MessageId);
        if (await ReadTaskAsync(own, cancellationToken) is not null) return new(message.MessageId, own, "queued");
        var ended = _state.Find(message.TaskId) is null ? await ReadTaskAsync(message.TaskId, cancellationToken) : null;
        var files = message.Files.IsDefaultOrEmpty ? null : SessionRows.Files(_tenant, own, message.Files);
        await CommitAsync(SessionMachine.Send(_state, ended, message, Context()), files, cancellationToken);
        return _state.Find(own) is null ? new(message.MessageId, message.TaskId, "sent") : new(message.MessageId, own, "queued");
    }

    public async Task<TaskView> MoveTaskAsync(MoveTask command, CancellationToken cancellationToken)
    {
        MustExist();
        await CommitAsync(SessionMachine.Move(_state, command, Context()), cancellationToken);
        return await GetTaskAsync(command.TaskId, cancellationToken);
    }

    public async Task<TaskView> ContinueTaskAsync(ContinueTask command, CancellationToken cancellationToken)
    {
        MustExist();
        if (_state.Find(command.TaskId) is null && await ReadTaskAsync(command.TaskId, cancellationToken) is { } ended)
            throw new MarionetteException(FaultCode.Conflict, $"The task has ended: {ended.Status.ToString().ToLowerInvariant()}. Retry it, or send it a message.");
        await RefreshTenantAsync(TimeSpan.Zero);
        await CommitAsync(SessionMachine.Continue(_state, command, Context()), cancellationToken);
        return await GetTaskAsync(command.TaskId, cancellationToken);
    }

    public async Task<SessionView> ChangeAsync(ChangeSession command, CancellationToken cancellationToken)
    {
        await CommitAsync(SessionMachine.Change(_state, command, Context()), cancellationToken);
        return _state.View;
    }

    /// <summary>The conversation that the task is to go on with.</summary>
    /// <exception cref="MarionetteException">Invalid: the task to continue is not one of this session's.</exception>
    private async Task<string?> ContinuedAsync(SubmitTask command, CancellationToken cancellationToken)
    {
        if (command.ContinueFrom is not { } id) return null;
        var task = _state.Find(id)?.View ?? await ReadTaskAsync(id, cancellationToken)
            ?? throw new MarionetteException([new FieldError("continue_from", "is no task of this session; a conversation stays with its workspace")]);
        return task.ConversationId;
    }

    private async Task<TaskView?> ReadTaskAsync(string taskId, CancellationToken cancellationToken)
    {
        var row = await log.ReadRowAsync("task", GrainKeys.Of(_tenant, taskId), cancellationToken);
        var task = row is null ? null : SessionRows.Task(row);
        return task?.SessionId == _id ? task : null;
    }

    /// <summary>The contents of the files that a command needs.</summary>
    private async Task<RunnerCommand> WithFilesAsync(RunnerCommand command)
    {
        var (id, infos) = command switch
        {
            StartRunCommand c => (c.TaskId, _state.Find(c.TaskId)?.View.Files ?? []),
            SendMessageCommand c => (SessionMachine.TaskOf(c.MessageId), [.. _state.Messages.FirstOrDefault(m => m.Id == c.MessageId)?.Files ?? []]),
            _ => ("", ImmutableArray<TaskFileInfo>.Empty),
        };
        if (infos.IsEmpty || await log.ReadRowAsync("task_files", GrainKeys.Of(_tenant, id), CancellationToken.None) is not { } row) return command;
        var files = SessionRows.Files(row);
        return command switch
        {
            StartRunCommand c => c with { Files = files },
            SendMessageCommand c => c with { Files = files },
            _ => command,
        };
    }

    private async Task<ImmutableArray<RunnerCommand>> WithFilesAsync(ImmutableArray<RunnerCommand> commands)
    {
        var filled = ImmutableArray.CreateBuilder<RunnerCommand>(commands.Length);
        foreach (var command in commands) filled.Add(await WithFilesAsync(command));
        return filled.MoveToImmutable();
    }

    private Task RefreshTenantAsync() => RefreshTenantAsync(TenantFreshness);

    /// <summary>Asks what the tenant has used. Should that fail, what was known last goes on to count.</summary>
    private async Task RefreshTenantAsync(TimeSpan age)
    {
        if (Now - _tenantAsked < age) return;
        _tenantAsked = Now;
        try
        {
            var spending = await GrainFactory.GetGrain<IBudgetGrain>(GrainKeys.Of(_tenant, IBudgetGrain.Id)).GetSpendingAsync();
            _tenantSpending = new TenantSpending(spending.Budget.Limits, spending.Used);
        }
        catch (Exception e) when (e is MarionetteException or TimeoutException or OrleansException)
        {
            Log.EffectFailed(logger, e, "read budget", _tenant, _id);
        }
    }
}
