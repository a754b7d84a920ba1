using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Marionette.Pools;

/// <summary>
/// A pool: its tokens and the ids of its hosts are stored; all else comes from the hosts' reports, and is asked of them again after a move. Hosts' grains
/// wait for this one, so their calls run beside the turns.
/// </summary>
[GrainType("pool")]
internal sealed partial class PoolGrain(
    [PersistentState("pool", StorageNames.State)] IPersistentState<PoolRecord> row, IEnumerable<ConfiguredPool> pools, IOptionsMonitor<PoolOptions> settings,
    WorkspaceReader workspaces, TimeProvider clock, ILogger<PoolGrain> logger) : Grain, IPoolGrain, IDisposable
{
    private const int NoticesKept = 1000;

    private readonly List<Channel<PoolNotice>> _watchers = [];
    private readonly CancellationTokenSource _gone = new();
    private PoolOptions? _options;

    private string Name => this.GetPrimaryKeyString();

    private DateTimeOffset Now => clock.GetUtcNow();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (pools.All(pool => pool.Name != Name)) return Task.CompletedTask;
        _options = settings.Get(Name);
        _countedBy = Now + CountWithin;
        _uncounted.UnionWith(row.State.Hosts.Keys);
        this.RegisterGrainTimer(AskSilentHosts, TimeSpan.Zero, AskEvery);
        this.RegisterGrainTimer(Sweep, _options.SweepEvery, _options.SweepEvery);
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        foreach (var watcher in _watchers) watcher.Writer.TryComplete();
        return _gone.CancelAsync();
    }

    public void Dispose() => _gone.Dispose();

    public ValueTask<PoolView> GetAsync(CancellationToken cancellationToken)
    {
        var options = Options();
        var hosts = _hosts.Values.Select(host => host.View).ToList();
        var online = hosts.Where(host => host.Status == HostStatus.Online).ToList();
        return ValueTask.FromResult(new PoolView(
            Name, hosts.Count, online.Count, hosts.Sum(host => host.Runners), online.Sum(host => host.Facts.Cpus), online.Sum(host => host.CpusHeld),
            online.Sum(host => host.Facts.MemoryMib), online.Sum(host => host.MemoryHeldMib), options.OneTenantPerHost));
    }

    public ValueTask<ImmutableArray<HostView>> ListHostsAsync(CancellationToken cancellationToken)
    {
        Options();
        return ValueTask.FromResult(_hosts.Values.Select(host => host.View).OrderBy(host => host.Id, StringComparer.Ordinal).ToImmutableArray());
    }

    public async Task<JoinTokenCreated> CreateTokenAsync(CreateJoinToken command, CancellationToken cancellationToken)
    {
        Options();
        var (next, created) = JoinTokens.Create(row.State, command, Now);
        await WriteAsync(next);
        return created;
    }

    public ValueTask<ImmutableArray<JoinTokenView>> ListTokensAsync(CancellationToken cancellationToken)
    {
        Options();
        return ValueTask.FromResult(JoinTokens.List(row.State, Now));
    }

    public async Task<JoinTokenView> RevokeTokenAsync(string tokenId, CancellationToken cancellationToken)
    {
        Options();
        var (next, view) = JoinTokens.Revoke(row.State, tokenId, Now);
        await WriteAsync(next);
        return view;
    }

    public async Task<ImmutableArray<string>> RedeemAsync(string hostId, string token, CancellationToken cancellationToken)
    {
        Options();
        var (next, tenants) = JoinTokens.Redeem(row.State, hostId, token, Now);
        if (!ReferenceEquals(next, row.State)) await WriteAsync(next);
        return tenants;
    }

    public Task TellAsync(PoolNotice notice, CancellationToken cancellationToken)
    {
        Options();
        foreach (var watcher in _watchers) watcher.Writer.TryWrite(notice);
        return Task.CompletedTask;
    }

    /// <summary>It runs in between other calls, and touches nothing but its own channel.</summary>
    public async IAsyncEnumerable<PoolNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Options();
        // What a slow watcher misses it finds by looking.
        var channel = Channel.CreateBounded<PoolNotice>(new BoundedChannelOptions(NoticesKept) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        _watchers.Add(channel);
        try
        {
            await foreach (var notice in channel.Reader.ReadAllAsync(cancellationToken)) yield return notice;
        }
        finally
        {
            _watchers.Remove(channel);
        }
    }

    private PoolOptions Options() => _options ?? throw new MarionetteException(FaultCode.NotFound, $"No pool \"{Name}\" is configured.");

    private IHostGrain Host(string id) => GrainFactory.GetGrain<IHostGrain>(PoolKeys.OfHost(Name, id));

    private async void RunBeside(Task work, string host)
    {
        try
        {
            await work;
        }
        catch (Exception e)
        {
            Log.HostNotAsked(logger, e, host, Name);
        }
    }

    private async Task WriteAsync(PoolRecord next)
    {
        var before = row.State;
        row.State = next;
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = before;
            DeactivateOnIdle();
            throw;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5101, LogLevel.Warning, "Host {Host} of pool {Pool} could not be asked", EventName = "pool.host.not_asked")]
        public static partial void HostNotAsked(ILogger logger, Exception exception, string host, string pool);

        [LoggerMessage(5102, LogLevel.Warning, "The look for old files on hosts of pool {Pool} failed; it comes again", EventName = "pool.files.sweep_failed")]
        public static partial void SweepFailed(ILogger logger, Exception exception, string pool);

        [LoggerMessage(
            5103, LogLevel.Warning, "Whether the files of {Of} on hosts of pool {Pool} are needed could not be found out; they stay, and it is looked again",
            EventName = "pool.files.not_looked_at")]
        public static partial void NotLookedAt(ILogger logger, Exception exception, string of, string pool);

        [LoggerMessage(
            5104, LogLevel.Information, "Session {Session} has ended and is stored: the files of {Workspace} go from the hosts of pool {Pool}",
            EventName = "pool.files.retired")]
        public static partial void Retired(ILogger logger, string session, string workspace, string pool);
    }
}
