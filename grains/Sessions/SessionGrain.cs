using System.Collections.Immutable;
using Marionette.Log;
using Marionette.Permissions;
using Marionette.Providers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Marionette.Sessions;

/// <summary>
/// The shell around <see cref="SessionMachine"/>: decide, append, fold, publish, run effects. No turn waits for anything but the log.
/// </summary>
[GrainType("session")]
internal sealed partial class SessionGrain(
    ISessionLog log, ISecretOpener secretOpener, IApprovalHookCaller hookCaller, IEnumerable<IRunnerProvider> providers, TimeProvider clock,
    IOptions<SessionOptions> options, ILogger<SessionGrain> logger) : Grain, ISessionGrain, IRemindable
{
    /// <summary>Output events after which the row is written again, so that an activation reads at most about so many.</summary>
    private const int CheckpointEvery = 5000;

    private const int PageSize = 2000;

    private readonly SessionTimings _timings = new(options.Value.InterruptGrace, options.Value.StopGrace) { PauseLimit = options.Value.PauseLimit };
    private readonly PriceTable _prices = new(options.Value.Prices);
    private SessionState _state = SessionState.Empty;
    private SealedSecrets? _secrets;
    private long _checkpointSeq;
    private string _tenant = "", _id = "";

    private string Provider => options.Value.DefaultProvider;

    private DateTimeOffset Now => clock.GetUtcNow();

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        (_tenant, _id) = GrainKeys.Split(key);
        try
        {
            if (await log.ReadRowAsync("session", key, cancellationToken) is not { } row) return;
            _state = await SessionRows.LoadAsync(log, _tenant, row, cancellationToken);
            _checkpointSeq = _state.Seq;
            await CatchUpAsync(cancellationToken);
            if (await log.ReadRowAsync("session_secret", key, cancellationToken) is { } box) _secrets = SessionRows.Secrets(box);
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw new MarionetteException(FaultCode.Unavailable, "The database cannot be reached; nothing was done. Try again.");
        }

        RecoverEffects();
        Rearm();
    }

    public async Task<SessionView> CreateAsync(CreateSession command, CancellationToken cancellationToken)
    {
        command = await WithConfigAsync(command, cancellationToken);
        MustFit(command);
        var decision = SessionMachine.Create(_state, _id, EntityId.New(EntityId.Workspace, Now), command, Context());
        await RemindFirstAsync(decision);
        if (!decision.IsEmpty) _secrets = command.Secrets;
        await CommitAsync(decision, command.Secrets is null ? null : SessionRows.Secret(_tenant, _id, command.Secrets), cancellationToken);
        return _state.View;
    }

    public ValueTask<SessionView> GetAsync(CancellationToken cancellationToken)
    {
        MustExist();
        return ValueTask.FromResult(_state.View);
    }

    public Task<SessionView> SuspendAsync(string reason, CancellationToken cancellationToken) => SuspendAsync(new SuspendSession(reason), cancellationToken);

    public async Task<SessionView> ResumeAsync(string reason, CancellationToken cancellationToken)
    {
        await CommitAsync(SessionMachine.Resume(_state, reason, Context()), cancellationToken);
        return _state.View;
    }

    public async Task<SessionView> RestoreAsync(RestoreSession command, CancellationToken cancellationToken)
    {
        MustExist();
        var row = await log.ReadRowAsync("checkpoint", GrainKeys.Of(_tenant, command.CheckpointId), cancellationToken);
        if (row is null || SessionRows.Checkpoint(row) is not { } point || point.SessionId != _id)
            throw new MarionetteException(FaultCode.NotFound, "The session has no such checkpoint.");
        await CommitAsync(SessionMachine.Restore(_state, point, command.By, command.Discard, Context()), cancellationToken);
        return _state.View;
    }

    public async Task<SessionView> ExtendAsync(ExtendSession command, CancellationToken cancellationToken)
    {
        var decision = SessionMachine.Extend(_state, command, Context());
        await RemindFirstAsync(decision);
        await CommitAsync(decision, cancellationToken);
        return _state.View;
    }

    public async Task<SessionView> TerminateAsync(string reason, CancellationToken cancellationToken)
    {
        await CommitAsync(SessionMachine.Terminate(_state, reason, Context()), cancellationToken);
        return _state.View;
    }

    /// <summary>
    /// Decide has spoken: append, fold, publish, act. When the append fails, the outcome is unknown or another activation wrote first; either way
    /// this activation's memory is not to be trusted, and the next one reads the log.
    /// </summary>
    private async Task CommitAsync(Decision decision, StateRow? extra, CancellationToken cancellationToken)
    {
        if (decision.IsEmpty) return;
        cancellationToken.ThrowIfCancellationRequested(); // The last moment at which stopping is safe.
        var (batch, events) = BatchOf(decision, extra);
        bool stored;
        try
        {
            stored = await log.AppendAsync(batch);
        }
        catch
        {
            DeactivateOnIdle();
            throw;
        }

        if (!stored)
        {
            Log.ActivationFenced(logger, _tenant, _id, batch.First);
            DeactivateOnIdle();
            throw new MarionetteException(FaultCode.Unavailable, "Another activation of the session wrote first; nothing was done. Try again.");
        }

        var before = _state;
        _state = decision.State;
        if (batch.Rows.Count > 0) _checkpointSeq = _state.Seq;
        Publish(events);
        RunEffects(before, decision);
        Rearm();
    }

    private Task CommitAsync(Decision decision, CancellationToken cancellationToken) => CommitAsync(decision, null, cancellationToken);

    private (LogBatch Batch, ImmutableArray<LoggedEvent> Events) BatchOf(Decision decision, StateRow? extra)
    {
        var events = ImmutableArray.CreateBuilder<LoggedEvent>(decision.Entries.Count);
        var changes = decision.State.Seq - _checkpointSeq >= CheckpointEvery;
        foreach (var e in decision.Entries)
        {
            events.Add(new LoggedEvent(e.Seq, FactCodec.TypeOf(e.Fact), e.TaskId, e.RunId, e.Source, e.At, FactCodec.Write(e.Fact)));
            changes |= e.Fact is not Output;
        }

        var rows = changes ? SessionRows.Of(_tenant, decision) : [];
        if (changes) rows.AddRange(UsageRows.Of(_tenant, decision));
        if (extra is not null) rows.Add(extra);
        var stored = events.MoveToImmutable();
        return (new LogBatch(_tenant, _id, stored, rows), stored);
    }

    /// <summary>Folds what the log has beyond the row.</summary>
    private async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await log.ReadAsync(_id, _state.Seq, PageSize, cancellationToken);
            _state = SessionFold.Fold(_state, page.Select(e => new Entry(e.Seq, e.At, e.TaskId, e.RunId, e.Source, FactCodec.Read(e.Type, e.Payload))));
            if (page.Length < PageSize) return;
        }
    }

    private DecisionContext Context()
    {
        var now = Now;
        return new DecisionContext
        {
            Now = now, Provider = Provider, Timings = _timings, NewId = prefix => EntityId.New(prefix, now), Prices = _prices, Tenant = _tenantSpending,
            CanPause = CanPause(_state.View.Provider),
        };
    }

    private void MustExist()
    {
        if (!_state.Exists) throw new MarionetteException(FaultCode.NotFound, "No such session.");
    }
}
