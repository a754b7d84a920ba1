using System.Collections.Immutable;
using System.Net;
using Marionette.Cluster.Tests.Database;
using Marionette.Permissions;
using Marionette.Pools;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Silo.Database;
using Marionette.TestSupport;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Core.Internal;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>A silo with the pool "lab" on a real database, and hosts that do as they are told.</summary>
public abstract class PoolTest(PostgresFixture postgres) : DatabaseTest(postgres)
{
    protected const string Name = "lab";

    /// <summary>Held here, since references to observers do not hold them.</summary>
    private readonly List<ScriptedHost> _hosts = [];
    private IHost? _silo;
    private int _runners;

    /// <summary>Settings of the pool, under its section.</summary>
    private protected Dictionary<string, string?> Settings { get; } = [];

    private protected IGrainFactory Grains => _silo!.Services.GetRequiredService<IGrainFactory>();

    private protected IPoolGrain Pool => Grains.GetGrain<IPoolGrain>(Name);

    public override async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var host in _hosts) await host.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task<string> TokenAsync(int maxHosts = 0, params ImmutableArray<string> tenants) =>
        (await Pool.CreateTokenAsync(new CreateJoinToken("ci", tenants, null, maxHosts), Cancel)).Token;

    private protected ScriptedHost NewHost(string? id = null)
    {
        var host = new ScriptedHost(Grains, Name, id ?? EntityId.New(EntityId.Host, TimeProvider.System.GetUtcNow()));
        _hosts.Add(host);
        return host;
    }

    /// <summary>A host that has joined and is up.</summary>
    private protected async Task<ScriptedHost> UpAsync(Func<HostFacts, HostFacts>? facts = null, params ImmutableArray<string> tenants)
    {
        var host = NewHost();
        if (facts is not null) host.Facts = facts(host.Facts);
        await host.JoinAsync(await TokenAsync(0, tenants));
        await SeesHostAsync(host, view => view.Status == HostStatus.Online);
        return host;
    }

    private protected Task<HostView?> SeesHostAsync(ScriptedHost host, Func<HostView, bool> wanted) => Eventually.SeesAsync(
        "host", async () => (await Pool.ListHostsAsync(Cancel)).FirstOrDefault(view => view.Id == host.Id), view => view is not null && wanted(view), Cancel);

    private protected string NewRunner(string tenant = "acme") => GrainKeys.Of(tenant, $"run_{_runners++:d16}");

    private protected static PlaceRunner Need(string key, RunnerShape? shape = null, string workspace = "", params ImmutableArray<string> refused) =>
        new(key, 1, workspace.Length > 0 ? workspace : $"ws_{key[^16..]}", shape ?? new RunnerShape { DiskMib = 1000 }, NetworkRules.Open, refused);

    private protected static EnsureRunnerOrder Ensure(string key, long epoch = 1, string? id = null, string workspace = "") => new(
        id ?? $"ord_{key}_{epoch}", key, epoch, "rtok_x", workspace.Length > 0 ? workspace : $"ws_{key[^16..]}", new RunnerShape { DiskMib = 1000 }, NetworkRules.Open);

    private protected static RunnerOrder Order(string key, RunnerOrderKind kind) => new(Guid.NewGuid().ToString("n"), key, 1, kind);

    /// <summary>A runner that was placed and made.</summary>
    private protected async Task<(string Key, string Host)> RunAsync(string tenant = "acme", string workspace = "")
    {
        var key = NewRunner(tenant);
        var host = await Pool.PlaceAsync(Need(key, workspace: workspace), Cancel);
        var result = await Grains.GetGrain<IHostGrain>(PoolKeys.OfHost(Name, host)).OrderAsync(Ensure(key, workspace: workspace), TimeSpan.FromSeconds(10), Cancel);
        Assert.Null(result!.Fault);
        return (key, host);
    }

    private protected static async Task<MarionetteException> FailsAsync(FaultCode code, Func<Task> call)
    {
        var fault = await Assert.ThrowsAsync<MarionetteException>(call);
        Assert.Equal(code, fault.Code);
        return fault;
    }

    private protected static Task DeactivateAsync(IAddressable grain) => grain.Cast<IGrainManagementExtension>().DeactivateOnIdle().AsTask();

    private protected async Task StopAsync()
    {
        if (_silo is null) return;
        foreach (var host in _hosts) await host.SilenceAsync();
        await _silo.StopAsync(CancellationToken.None);
        _silo.Dispose();
        _silo = null;
    }

    private protected async Task StartAsync()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(Settings.ToDictionary(pair => $"Marionette:Pools:{Name}:{pair.Key}", pair => pair.Value));
        builder.Services.AddSingleton(Source).AddSingleton(TimeProvider.System).AddMarionetteGrains();
        builder.Services.AddMarionettePools(builder.Configuration, [Name]);
        builder.Services.AddSingleton<ISecretOpener, NoSecrets>().AddSingleton<IApprovalHookCaller, NoHooks>();
        builder.UseOrleans(silo => silo
            .UseAdoNetClustering(options => (options.Invariant, options.DataSource) = ("Npgsql", Source))
            .UseAdoNetReminderService(options => (options.Invariant, options.DataSource) = ("Npgsql", Source))
            .AddAdoNetGrainStorage(StorageNames.State, options =>
            {
                (options.Invariant, options.DataSource) = ("Npgsql", Source);
                options.GrainStorageSerializer = new JsonGrainStorageSerializer();
            })
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("test", "test"))
            .ConfigureEndpoints(IPAddress.Loopback, StorageSilo.FreePort(), StorageSilo.FreePort()));
        _silo = builder.Build();
        await _silo.StartAsync(Cancel);
    }

    private sealed class NoSecrets : ISecretOpener
    {
        public SessionSecrets Open(string tenant, string session, SealedSecrets box) => throw new NotSupportedException();

        public SessionSecrets OpenConfig(string tenant, string configId, SealedSecrets box, string purpose) => throw new NotSupportedException();
    }

    private sealed class NoHooks : IApprovalHookCaller
    {
        public Task<HookAnswer> AskAsync(string tenant, ApprovalHook hook, PermissionView request, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
