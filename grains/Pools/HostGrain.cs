using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Marionette.Pools;

/// <summary>
/// One host: recorded is what was given to it, in memory is what it last said. A turn never waits for the host; who gives an order waits between the
/// turns. The lease of its runners runs from its last sign of life, or from this activation, so that a pause of ours is not held against it.
/// </summary>
[GrainType("host")]
internal sealed partial class HostGrain(
    [PersistentState("host", StorageNames.State)] IPersistentState<HostRecord> row, IEnumerable<ConfiguredPool> pools, IOptionsMonitor<PoolOptions> settings,
    TimeProvider clock, ILogger<HostGrain> logger) : Grain, IHostGrain, IDisposable
{
    private static readonly TimeSpan CheckEvery = TimeSpan.FromSeconds(1);
    private const int MinSecret = 16, MaxReason = 500;

    private readonly SemaphoreSlim _writing = new(1);

    /// <summary>The record as it was last stored: what interleaved calls may see.</summary>
    private HostRecord? _record;
    private PoolOptions _options = new();
    private IHostConnection? _connection;
    private string? _connectionId;
    private DateTimeOffset _aliveAt;
    private DateTimeOffset? _seenAt;
    private HostLoad? _load;
    private IGrainTimer? _timer;

    private DateTimeOffset Now => clock.GetUtcNow();

    private string Id => PoolKeys.HostOf(this.GetPrimaryKeyString());

    private string PoolName => PoolKeys.PoolOf(this.GetPrimaryKeyString());

    private IPoolGrain Pool => GrainFactory.GetGrain<IPoolGrain>(PoolName);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (_record, _aliveAt) = (row.RecordExists ? row.State : null, Now);
        if (pools.Any(pool => pool.Name == PoolName)) _options = settings.Get(PoolName);
        KeepTime();
        return Task.CompletedTask;
    }

    public void Dispose() => _writing.Dispose();

    public async Task HelloAsync(HostHelloCommand hello, CancellationToken cancellationToken)
    {
        if (pools.All(pool => pool.Name != PoolName)) throw new MarionetteException(FaultCode.NotFound, $"No pool \"{PoolName}\" is configured.");
        if (!EntityId.Is(EntityId.Host, Id)) throw new MarionetteException(FaultCode.TokenRefused, "That is no host's id.");
        if (hello.Secret.Length < MinSecret) throw new MarionetteException(FaultCode.TokenRefused, "The host's secret is too short.");
        var secret = JoinTokens.Hash(hello.Secret);
        var facts = HostChanges.Bounded(hello.Facts);
        if (_record is { } known)
        {
            if (known.Status == HostStatus.Removed) throw new MarionetteException(FaultCode.TokenRefused, "The host was removed from its pool.");
            if (!JoinTokens.Same(known.SecretHash, secret)) throw new MarionetteException(FaultCode.TokenRefused, "The host's secret is not the one that it joined with.");
            _seenAt = Now;
            if (!HostChanges.Same(known.Facts, facts)) await WriteAsync(record => record with { Facts = facts });
            return;
        }

        if (hello.Token.Length == 0) throw new MarionetteException(FaultCode.TokenRefused, "The host is not known: it needs a join token.");
        var tenants = await Pool.RedeemAsync(Id, hello.Token, cancellationToken);
        await StoreAsync(_ => new HostRecord { Id = Id, Status = HostStatus.Online, SecretHash = secret, Tenants = tenants, Facts = facts, CreatedAt = Now });
        Log.Joined(logger, Id, facts.Name, PoolName);
        KeepTime();
        Changed();
    }

    public ValueTask<HostView> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(View(Known()));

    public ValueTask<ImmutableArray<HostRunnerView>> ListRunnersAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Views());

    public ValueTask<HostRunnerView> ObserveAsync(string runnerKey, long epoch, CancellationToken cancellationToken)
    {
        var missing = new HostRunnerView(runnerKey, epoch, "missing");
        if (_record is not { } record || record.Status == HostStatus.Removed)
            return ValueTask.FromResult(missing with { Cause = Providers.DeathCauses.HostLost, Detail = $"Host {Id} was removed." });
        if (record.Runners.GetValueOrDefault(runnerKey) is not { IsReleasing: false } runner || runner.Epoch != epoch) return ValueTask.FromResult(missing);
        if (runner.IsGivenUp) return ValueTask.FromResult(View(record, runnerKey, runner));
        if (IsAway || (runner.IsMade && !_seen.ContainsKey(runnerKey)))
            throw new MarionetteException(FaultCode.Unavailable, $"Host {NameOf(record)} is away.");
        return ValueTask.FromResult(View(record, runnerKey, runner));
    }

    public async Task<HostView> DrainAsync(bool drain, CancellationToken cancellationToken)
    {
        if (Known().Draining != drain) await WriteAsync(record => record with { Draining = drain });
        Changed();
        return View(Known());
    }

    public async Task<HostView> TaintAsync(string? reason, CancellationToken cancellationToken)
    {
        Known();
        var taint = string.IsNullOrWhiteSpace(reason) ? null : reason.Trim();
        if (taint?.Length > MaxReason) throw new MarionetteException([new FieldError("reason", $"At most {MaxReason} characters.")]);
        _failures.Clear();
        await WriteAsync(record => record with { Taint = taint });
        Changed();
        return View(Known());
    }

    public async Task ForgetWorkspaceAsync(string workspaceKey, CancellationToken cancellationToken)
    {
        var workspace = GrainKeys.Split(workspaceKey).Id;
        if (_record?.Workspaces.Contains(workspace) != true) return;
        // A start that was recorded meanwhile counts on them, old as they are.
        await WriteAsync(record => record.Runners.Values.Any(runner => runner.WorkspaceId == workspace && runner is { IsReleasing: false, IsGivenUp: false }) ? record : record.WithoutFiles(workspaceKey));
        RemoveOutdated();
        Changed();
    }

    public async Task RemoveAsync(bool force, CancellationToken cancellationToken)
    {
        var record = Known();
        if (record.Status != HostStatus.Removed)
        {
            var living = record.Runners.Where(runner => runner.Value is { IsReleasing: false, IsGivenUp: false }).ToList();
            if (!force && living.Count > 0)
                throw new MarionetteException(FaultCode.Conflict, $"Host {NameOf(record)} has {living.Count} runner(s): drain it and wait, or remove it by force.");
            await WriteAsync(r => r with { Status = HostStatus.Removed, Runners = r.Runners.Clear(), Workspaces = [], Outdated = [] });
            Log.Removed(logger, Id, PoolName);
            foreach (var (key, runner) in living) Tell(new PoolRunnerEnded(key, runner.Epoch));
            Abandon(_ => true, "The host was removed.");
            if (_connection is { } connection) RunBeside(connection.OnClosedAsync("The host was removed from its pool.", dismissed: true));
            (_connection, _connectionId) = (null, null);
            _timer?.Dispose();
        }

        await Pool.ForgetHostAsync(Id, CancellationToken.None);
    }

    private HostRecord Known() => _record ?? throw new MarionetteException(FaultCode.NotFound, "No such host.");

    private static string NameOf(HostRecord record) => record.Facts.Name.Length > 0 ? $"\"{record.Facts.Name}\" ({record.Id})" : record.Id;

    private Task WriteAsync(Func<HostRecord, HostRecord> change) => StoreAsync(record => record is null ? null : change(record));

    /// <summary>The one writer: changes come one after the other, each on what the last one stored. One that changes nothing writes nothing.</summary>
    private async Task StoreAsync(Func<HostRecord?, HostRecord?> change)
    {
        await _writing.WaitAsync();
        try
        {
            if (change(_record) is not { } next || ReferenceEquals(next, _record)) return;
            row.State = next with { LastSeenAt = _seenAt ?? next.LastSeenAt };
            await row.WriteStateAsync();
            _record = row.State;
        }
        catch
        {
            // Not known what is stored now: read again by the next activation.
            DeactivateOnIdle();
            throw;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Lets work go on beside the turns, on this grain's scheduler.</summary>
    private async void RunBeside(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception e)
        {
            Log.WorkFailed(logger, e, Id, PoolName);
        }
    }

    private void Tell(PoolNotice notice) => RunBeside(Pool.TellAsync(notice, CancellationToken.None));

    private static partial class Log
    {
        [LoggerMessage(5111, LogLevel.Information, "Host {Host} ({Name}) joined pool {Pool}", EventName = "pool.host.joined")]
        public static partial void Joined(ILogger logger, string host, string name, string pool);

        [LoggerMessage(5112, LogLevel.Information, "Host {Host} was removed from pool {Pool}", EventName = "pool.host.removed")]
        public static partial void Removed(ILogger logger, string host, string pool);

        [LoggerMessage(5113, LogLevel.Warning, "Host {Host} of pool {Pool} is lost, and {Runners} runners with it", EventName = "pool.host.lost")]
        public static partial void Lost(ILogger logger, string host, string pool, int runners);

        [LoggerMessage(5114, LogLevel.Warning, "Host {Host} of pool {Pool} takes no new runners: {Reason}", EventName = "pool.host.tainted")]
        public static partial void Tainted(ILogger logger, string host, string pool, string reason);

        [LoggerMessage(5115, LogLevel.Warning, "Runner {Runner} is on host {Host} and not to be there; it is removed", EventName = "pool.host.leftover")]
        public static partial void Leftover(ILogger logger, string runner, string host);

        [LoggerMessage(5116, LogLevel.Warning, "Work for host {Host} of pool {Pool} failed; it is tried again", EventName = "pool.host.work_failed")]
        public static partial void WorkFailed(ILogger logger, Exception exception, string host, string pool);

        [LoggerMessage(5117, LogLevel.Information, "The stream of host {Host} of pool {Pool} is up ({Connection})", EventName = "pool.host.attached")]
        public static partial void Attached(ILogger logger, string host, string pool, string connection);

        [LoggerMessage(5118, LogLevel.Information, "The stream of host {Host} of pool {Pool} is away (said goodbye: {Goodbye})", EventName = "pool.host.detached")]
        public static partial void Detached(ILogger logger, string host, string pool, bool goodbye);
    }
}
