using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>The runner's side: its stream, its events, its end.</content>
internal sealed partial class SessionGrain
{
    private Connection? _connection;
    private IDisposable? _repeat;

    public async Task<RunnerAttachment> AttachRunnerAsync(AttachRunner command, IRunnerConnection connection, CancellationToken cancellationToken)
    {
        SessionMachine.Fence(_state, command.Epoch);
        await RefreshTenantAsync();
        var setup = await SetupAsync(cancellationToken);
        var profile = await ProfileAsync(cancellationToken);
        await CommitAsync(SessionMachine.Attach(_state, command.RunnerId, command.Epoch, Context()), cancellationToken);
        if (_connection is { } old && old.Id != command.ConnectionId)
            Forget(old.Observer.OnFencedAsync(command.Epoch, "A newer connection of the same runner took over."), "fence");
        _connection = new Connection(command.ConnectionId, connection, new CommandSender(connection, WithFilesAsync), command.LastCommand);

        var commands = PendingCommands.Of(_state, command.LastCommand);
        _connection.SentUpTo = commands.IsEmpty ? command.LastCommand : commands[^1].Number;
        Repeat();
        return new RunnerAttachment
        {
            Acked = _state.Acked,
            SessionId = _id,
            Agent = _state.View.Agent,
            Model = _state.View.Model,
            BaseUrl = setup.BaseUrl,
            ApiKey = setup.ApiKey,
            Env = setup.Env,
            Options = setup.Options,
            PermissionMode = _state.View.PermissionMode,
            ConversationId = _state.View.ConversationId,
            IncludeRaw = _state.IncludeRaw,
            Command = _state.View.Command,
            InitScript = profile?.Shape.InitScript,
            Workspace = new WorkspaceStart(_state.View.RecoveryPoint?.Workspace, _state.View.RecoveryPoint?.Home, _state.WorkspaceEpoch)
            {
                Conversation = _state.View.RecoveryPoint?.ConversationId,
            },
            // Only while there is something to clone: a secret that is not needed goes nowhere.
            Git = _state.View.RecoveryPoint is null ? _state.View.Origin?.Git : null,
            GitSecret = _state.View is { RecoveryPoint: null, Origin.Git.User: not null } && _secrets is { } box ? secretOpener.Open(_tenant, _id, box).GitSecret : null,
            Commands = await WithFilesAsync(commands),
        };
    }

    public ValueTask<bool> KnowsRunnerAsync(long epoch, string connectionId, CancellationToken cancellationToken)
    {
        SessionMachine.Fence(_state, epoch);
        return ValueTask.FromResult(_connection?.Id == connectionId);
    }

    public async Task DetachRunnerAsync(long epoch, string connectionId, CancellationToken cancellationToken)
    {
        if (_connection?.Id != connectionId) return;
        _connection = null;
        if (_state.IsClosed || _state.View.RunnerId is not { } runner || _state.View.Epoch != epoch) return;
        var scribe = new Scribe(_state, Context());
        scribe.Write(new RunnerDisconnected(runner, epoch));
        await CommitAsync(scribe.Decide(), cancellationToken);
    }

    public async Task<long> AppendOutputAsync(RunnerOutput output, CancellationToken cancellationToken)
    {
        var decision = SessionMachine.Append(_state, output, await ContextOfAsync(output, cancellationToken));
        await CommitAsync(decision, cancellationToken);
        // An event that ends the epoch (runner.stopped) resets the counter: what was sent is durable all the same.
        return Math.Max(_state.View.Epoch == output.Epoch ? _state.Acked : 0, output.First + output.Events.Length - 1);
    }

    public Task RunnerLostAsync(long epoch, string cause, string? detail, CancellationToken cancellationToken) =>
        CommitAsync(SessionMachine.Lost(_state, epoch, cause, detail, Context()), cancellationToken);

    public Task RunnerProgressAsync(long epoch, RunnerStep step, CancellationToken cancellationToken) =>
        CommitAsync(SessionMachine.Progress(_state, epoch, step, Context()), cancellationToken);

    public Task NetworkBlockedAsync(long epoch, BlockedTarget target, CancellationToken cancellationToken) =>
        CommitAsync(SessionMachine.Blocked(_state, epoch, target, Context()), cancellationToken);

    public Task RunnerThrottledAsync(long epoch, RunnerThrottle throttle, CancellationToken cancellationToken) =>
        CommitAsync(SessionMachine.Throttled(_state, epoch, throttle, Context()), cancellationToken);

    /// <summary>Sends what the runner has not been sent yet.</summary>
    private void SendCommands()
    {
        if (_connection is not { } connection) return;
        var commands = PendingCommands.Of(_state, connection.SentUpTo);
        if (!commands.IsEmpty)
        {
            connection.SentUpTo = commands[^1].Number;
            Forget(connection.Sender.SendAsync(commands), "commands");
        }

        Repeat();
    }

    /// <summary>While a command shows no effect it goes out again: a lost message delays, and loses nothing. The agent does each number once.</summary>
    private void Repeat()
    {
        var due = _connection is not null && !PendingCommands.Of(_state, 0).IsEmpty;
        if (due == _repeat is not null) return;
        _repeat?.Dispose();
        _repeat = due ? this.RegisterGrainTimer(RepeatCommands, options.Value.CommandRepeat, options.Value.CommandRepeat) : null;
    }

    private Task RepeatCommands()
    {
        if (_connection is { } connection && PendingCommands.Of(_state, 0) is { IsEmpty: false } commands)
            Forget(connection.Sender.RepeatAsync(commands), "commands");
        Repeat();
        return Task.CompletedTask;
    }

    private sealed class Connection(string id, IRunnerConnection observer, CommandSender sender, long lastCommand)
    {
        public string Id => id;

        public IRunnerConnection Observer => observer;

        public CommandSender Sender => sender;

        /// <summary>Highest command number that this connection was given.</summary>
        public long SentUpTo { get; set; } = lastCommand;
    }
}
