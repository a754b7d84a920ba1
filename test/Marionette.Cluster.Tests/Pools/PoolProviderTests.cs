using Marionette.Pools;
using Marionette.Providers;
using Marionette.Runners;
using Marionette.TestSupport;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>The whole way of a runner: its own grain, the provider's, the pool's, the host's, and back.</summary>
public sealed class PoolProviderTests(PostgresFixture postgres) : PoolTest(postgres)
{
    private int _ordered;

    private IProviderGrain Provider => Grains.GetGrain<IProviderGrain>(Name);

    [Fact]
    public async Task ARunner_IsMade_Seen_AndReleased()
    {
        await StartAsync();
        var host = await UpAsync();
        var runner = await OrderAsync(network: new NetworkRules("deny", ["api.example.com:443"]));
        var view = await SeesAsync(runner, RunnerStatus.Started);
        Assert.Equal("gvisor", view.SandboxMode);
        Assert.Equal(12, view.StartPhasesMs["sandbox"]);
        var order = Assert.Single(host.Orders.OfType<EnsureRunnerOrder>());
        Assert.Equal(("deny", "api.example.com:443", 1.5), (order.Network.Mode, order.Network.Allowed[0], order.Shape.Cpus));

        await runner.ApplyNetworkAsync(new NetworkRules("allow_list", ["b.example.com"]), Cancel);
        await Eventually.SeesAsync("rules", () => Task.FromResult(host.Count<NetworkOrder>(o => o.Network.Mode == "allow_list")), count => count == 1, Cancel);

        await runner.ReleaseAsync("done", Cancel);
        await Eventually.SeesAsync("runners", () => Task.FromResult(host.Runners.Count), count => count == 0, Cancel);
        await SeesHostAsync(host, seen => seen.Runners == 0);
    }

    [Fact]
    public async Task TheProvider_TellsOfItsPool()
    {
        await StartAsync();
        await UpAsync();
        await SeesAsync(await OrderAsync(), RunnerStatus.Started);
        var view = await Eventually.SeesAsync("view", () => Provider.GetAsync(Cancel).AsTask(), seen => seen.Reconcile is not null, Cancel);
        Assert.Equal(["pause", "egress"], view.Capabilities);
        Assert.Equal(["cpu", "memory", "disk", "pids"], view.Limits);
        var agents = await Eventually.SeesAsync("agents", () => Provider.GetAgentsAsync(Cancel).AsTask(), seen => seen is { IsKnown: true, Agents.Length: > 0 }, Cancel);
        Assert.Equal("claude", Assert.Single(agents.Agents).Kind);
    }

    [Fact]
    public async Task WithoutAHost_AStartWaits_AndGoesOnWhenOneJoins()
    {
        await StartAsync();
        var runner = await OrderAsync();
        await Eventually.SeesAsync("queue", () => Provider.GetAsync(Cancel).AsTask(), view => view is { Queued: 1, Starting: 0 }, Cancel);
        Assert.Null((await Provider.GetAsync(Cancel)).Trouble);
        await UpAsync();
        await SeesAsync(runner, RunnerStatus.Started);
    }

    [Fact]
    public async Task AStartThatNoHostCouldTake_IsLostWithTheReason()
    {
        await StartAsync();
        await UpAsync();
        var shape = new RunnerShape { DiskMib = 1000 };
        var runner = await OrderAsync(shape with { HostLabels = shape.HostLabels.Add("gpu", "yes") });
        Assert.Contains("no label gpu=yes", (await SeesAsync(runner, RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("capacity")]
    [InlineData("unavailable")]
    [InlineData("rejected")]
    public async Task AHostThatRefuses_IsPassedOver(string fault)
    {
        await StartAsync();
        var (bad, good) = (await UpAsync(), await UpAsync());
        bad.Fault = (fault, "The disk is full.");
        await SeesAsync(await OrderAsync(), RunnerStatus.Started);
        await SeesAsync(await OrderAsync(), RunnerStatus.Started);
        Assert.Equal((0, 2), (bad.Runners.Count, good.Runners.Count));
    }

    [Fact]
    public async Task AStartThatTheOnlyHostRejects_IsLostWithItsReason()
    {
        await StartAsync();
        var host = await UpAsync();
        host.Fault = ("rejected", "This workspace has no limit of disk.");
        Assert.Contains("This workspace has no limit of disk.", (await SeesAsync(await OrderAsync(), RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnAgentThatDies_IsStartedAgainInItsPlace()
    {
        await StartAsync();
        var hosts = new[] { await UpAsync(), await UpAsync() };
        var runner = await OrderAsync();
        await SeesAsync(runner, RunnerStatus.Started);
        var key = runner.GetPrimaryKeyString();
        var host = hosts.Single(h => h.Runners.ContainsKey(key));
        await host.EndAsync(key, 139, "killed");
        await Eventually.SeesAsync("starts", () => Task.FromResult(host.Count<EnsureRunnerOrder>()), count => count == 2, Cancel);
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
    }

    [Fact]
    public async Task AHostThatIsLost_LosesItsRunners_AndGivesThemBackLater()
    {
        Settings["HostLease"] = "00:00:05";
        await StartAsync();
        var host = await UpAsync();
        var runner = await OrderAsync();
        await SeesAsync(runner, RunnerStatus.Started);
        await host.DetachAsync();
        Assert.Contains("away for longer", (await SeesAsync(runner, RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
        await Eventually.SeesAsync("list", async () => (await Pool.ListRunnersAsync(Cancel)).Length, count => count == 0, Cancel);
        await host.AttachAsync();
        await Eventually.SeesAsync("runners", () => Task.FromResult(host.Runners.Count), count => count == 0, Cancel);
    }

    /// <summary>All grains forget at once: what is on the hosts is found and adopted, and nothing is started twice or removed.</summary>
    [Fact]
    public async Task AfterARestartOfTheSilo_RunnersAreAdopted()
    {
        await StartAsync();
        var host = await UpAsync();
        var runner = await OrderAsync();
        await SeesAsync(runner, RunnerStatus.Started);
        var (facts, there) = (host.Facts, host.Runners.ToArray());
        await StopAsync();
        await StartAsync();
        await Provider.GetAsync(Cancel);
        var again = NewHost(host.Id);
        again.Facts = facts;
        foreach (var (key, seen) in there) again.Runners[key] = seen;
        await again.JoinAsync("");
        await Eventually.SeesAsync("adopted", () => Provider.GetAsync(Cancel).AsTask(), view => view is { Watched: 1, Reconcile.Owned: 1 }, Cancel);
        await Eventually.SeesAsync("rules", () => Task.FromResult(again.Count<NetworkOrder>()), count => count > 0, Cancel);
        Assert.Equal((0, 0), (again.Count<EnsureRunnerOrder>(), again.Releases));
        Assert.Equal(RunnerStatus.Started, (await Grains.GetGrain<IRunnerGrain>(there[0].Key).GetAsync(Cancel)).Status);
    }

    [Fact]
    public async Task AnOrphanOfADeadRecord_IsSwept()
    {
        await StartAsync();
        var host = await UpAsync();
        // Recorded at its host, and unknown to its own grain: as after a loss of its row.
        await RunAsync();
        await Provider.GetAsync(Cancel);
        await Eventually.SeesAsync("runners", () => Task.FromResult(host.Runners.Count), count => count == 0, Cancel);
    }

    private async Task<IRunnerGrain> OrderAsync(RunnerShape? shape = null, NetworkRules? network = null)
    {
        var runner = Grains.GetGrain<IRunnerGrain>(GrainKeys.Of("acme", $"run_0000000{_ordered++:d9}"));
        await runner.EnsureAsync(
            new RunnerRequest("sess_0000000000000000", 1, Name, $"ws_{_ordered:d16}") { Shape = shape ?? new() { Cpus = 1.5, DiskMib = 1000 }, Network = network ?? NetworkRules.Open },
            Cancel);
        return runner;
    }

    private static Task<RunnerView> SeesAsync(IRunnerGrain runner, RunnerStatus status) =>
        Eventually.SeesAsync("runner", () => runner.GetAsync(Cancel).AsTask(), view => view.Status == status, Cancel);
}
