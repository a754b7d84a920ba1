using Marionette.Providers;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.TestSupport;
using Orleans.Core.Internal;

namespace Marionette.Cluster.Tests.Providers;

/// <summary>The provider's and the runner's grain on a real silo and database, over a backend that does as it is told.</summary>
public sealed class ProviderGrainTests(PostgresFixture postgres) : ScriptedSilo(postgres)
{
    private int _runners;

    [Fact]
    public async Task Start_IsRecordedWithItsPhasesAndShape()
    {
        await StartAsync();
        var runner = await OrderAsync("acme", new RunnerShape { Cpus = 1.5, MemoryMib = 512 }, new NetworkRules("allow_list", ["a.example.com"]));
        var view = await SeesAsync(runner, RunnerStatus.Started);
        Assert.Contains("create", view.StartPhasesMs.Keys);
        Assert.True(Backend.Started.TryDequeue(out var spec));
        Assert.Equal((1.5, 512), (spec.Profile.Cpus, spec.Profile.MemoryMib));
        Assert.Equal(new EgressPolicy(EgressMode.AllowList, ["a.example.com"]), spec.Egress);
    }

    [Fact]
    public async Task Starts_BeyondTheRoom_Wait_AndGoOnWhenSomeIsFree()
    {
        Options.MaxRunners = 1;
        await StartAsync();
        var first = await OrderAsync("acme");
        await SeesAsync(first, RunnerStatus.Started);
        var second = await OrderAsync("acme");
        await Eventually.SeesAsync("queue", async () => (await Provider.GetAsync(Cancel)).Queued, n => n == 1, Cancel);
        Assert.Equal(RunnerStatus.Provisioning, (await second.GetAsync(Cancel)).Status);
        await first.ReleaseAsync("done", Cancel);
        await SeesAsync(second, RunnerStatus.Started);
    }

    [Fact]
    public async Task ABackendThatIsAway_HoldsStartsBack_AndLosesNone()
    {
        await StartAsync();
        Backend.Failure = new ProviderException(ProviderFault.Unavailable, "The engine does not answer.");
        var runners = new[] { await OrderAsync("acme"), await OrderAsync("acme"), await OrderAsync("other") };
        var view = await Eventually.SeesAsync("trouble", () => Provider.GetAsync(Cancel).AsTask(), v => v.Trouble is not null, Cancel);
        Assert.Equal("The engine does not answer.", view.Trouble);
        foreach (var runner in runners) Assert.Equal(RunnerStatus.Provisioning, (await runner.GetAsync(Cancel)).Status);
        Backend.Failure = null;
        foreach (var runner in runners) await SeesAsync(runner, RunnerStatus.Started);
        Assert.Null((await Provider.GetAsync(Cancel)).Trouble);
    }

    [Fact]
    public async Task AStartWithoutRoom_WaitsAlone_AndOthersGoOn()
    {
        await StartAsync();
        Backend.Full.Add("acme");
        var waiting = await OrderAsync("acme");
        await Eventually.SeesAsync("tries", () => Task.FromResult(Backend.Tries), n => n > 0, Cancel);
        await SeesAsync(await OrderAsync("other"), RunnerStatus.Started);
        var view = await Provider.GetAsync(Cancel);
        Assert.Equal((null, 1), (view.Trouble, view.Queued));
        Assert.Equal(RunnerStatus.Provisioning, (await waiting.GetAsync(Cancel)).Status);
        Backend.Full.Clear();
        await SeesAsync(waiting, RunnerStatus.Started);
        Assert.Equal(0, (await Provider.GetAsync(Cancel)).Queued);
    }

    [Fact]
    public async Task AStartThatFindsNoRoom_IsGivenUp_WithTheReason()
    {
        Options.StartPatience = TimeSpan.FromSeconds(2);
        await StartAsync();
        Backend.Full.Add("acme");
        Assert.Contains("no room for acme", (await SeesAsync(await OrderAsync("acme"), RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
    }

    /// <summary>A host that is cut off from us is not a runner that is: this one still talks.</summary>
    [Fact]
    public async Task ALostHost_DoesNotEndARunnerThatIsOnline()
    {
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        await runner.PresenceAsync(true, Cancel);
        var lost = new RunnerObservation("missing", DeathCauses.HostLost, "Its host is away.", null, null);
        await runner.ObservedAsync(lost, Cancel);
        Assert.Equal(RunnerStatus.Online, (await runner.GetAsync(Cancel)).Status);
        await runner.PresenceAsync(false, Cancel);
        await runner.ObservedAsync(lost, Cancel);
        Assert.Equal(RunnerStatus.Lost, (await runner.GetAsync(Cancel)).Status);
    }

    /// <summary>Every gateway and silo died in the moment in which the runner's machine did: nobody lived to say that its stream is away.</summary>
    [Fact]
    public async Task ARunnerThatNoGatewaySpeaksOf_IsNotOnlineForEver()
    {
        Behave = options => options.RunnerSilence = TimeSpan.FromSeconds(1);
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        await runner.PresenceAsync(true, Cancel);
        await SeesAsync(runner, RunnerStatus.Offline);
        await runner.ObservedAsync(new RunnerObservation("missing", DeathCauses.HostLost, "Its host is away.", null, null), Cancel);
        Assert.Equal(RunnerStatus.Lost, (await runner.GetAsync(Cancel)).Status);
    }

    [Fact]
    public async Task ARunnerThatIsAdopted_GetsItsNetworkRulesAgain()
    {
        await StartAsync();
        var runner = await OrderAsync("acme", network: new NetworkRules("deny", ["api.example.com:443"]));
        await SeesAsync(runner, RunnerStatus.Started);
        // The backend's helper forgets them, and then the provider's grain moves.
        Backend.Policies.Clear();
        await Provider.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.SeesAsync("adopted", async () => (await Provider.GetAsync(Cancel)).Reconcile?.Adopted, n => n == 1, Cancel);
        var wanted = new EgressPolicy(EgressMode.Deny, ["api.example.com:443"]);
        await Eventually.SeesAsync("policy", () => Task.FromResult(Backend.Policies.GetValueOrDefault(runner.GetPrimaryKeyString())), policy => wanted.Equals(policy), Cancel);
    }

    [Fact]
    public async Task AStartThatWillNeverWork_IsLostAtOnce_WithTheReason()
    {
        await StartAsync();
        Backend.Failure = new ProviderException(ProviderFault.Rejected, "There is no image \"x\".");
        var runner = await OrderAsync("acme");
        Assert.Contains("no image", (await SeesAsync(runner, RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
        Assert.Null((await Provider.GetAsync(Cancel)).Trouble);
    }

    [Fact]
    public async Task AReleaseDuringTheStart_LeavesNothing()
    {
        await StartAsync();
        Backend.Gate = new TaskCompletionSource();
        var runner = await OrderAsync("acme");
        await Eventually.SeesAsync("start", async () => (await Provider.GetAsync(Cancel)).Starting, n => n == 1, Cancel);
        await runner.ReleaseAsync("changed my mind", Cancel);
        Backend.Gate.SetResult();
        await Eventually.SeesAsync("runners", () => Task.FromResult(Backend.Started.Count), n => n == 1, Cancel);
        await Eventually.SeesAsync("runners", () => Task.FromResult(Backend.Runners.Count), n => n == 0, Cancel);
        Assert.Equal(RunnerStatus.Released, (await runner.GetAsync(Cancel)).Status);
    }

    [Fact]
    public async Task AnInventory_IsCompared_OrphansGo_LiveOnesAreAdopted()
    {
        Backend.Runners["acme/run_orphan0000000000"] = new RunnerHandle("acme/run_orphan0000000000", 1);
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        await Eventually.SeesAsync("orphan", () => Task.FromResult(Backend.Runners.Count), n => n == 1, Cancel);

        // Another activation knows nothing, and finds it.
        await Provider.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.SeesAsync("adopted", async () => (await Provider.GetAsync(Cancel)).Reconcile?.Adopted, n => n == 1, Cancel);
        Assert.Single(Backend.Runners);
    }

    /// <summary>The provider's grain asks the runners' for the comparison while they ask it to be watched: neither may wait for the other.</summary>
    [Fact]
    public async Task AfterARestart_RunnersAndTheComparison_DoNotWaitForEachOther()
    {
        await StartAsync();
        for (var i = 0; i < 5; i++) await SeesAsync(await OrderAsync("acme"), RunnerStatus.Started);
        await StopAsync();
        await StartAsync();
        _runners = 0;
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => OrderAsync("acme"))).WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        await Eventually.SeesAsync("watched", async () => (await Provider.GetAsync(Cancel)).Watched, n => n == 5, Cancel);
    }

    [Fact]
    public async Task ADeath_IsNoticedByTheBackendsWord()
    {
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        var key = runner.GetPrimaryKeyString();
        Backend.Runners.TryRemove(key, out _);
        Backend.Tell(new RunnerEndedNotice(key, 1));
        Assert.Contains("removed", (await SeesAsync(runner, RunnerStatus.Lost)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NetworkRules_ReachARunningRunner()
    {
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        await runner.ApplyNetworkAsync(new NetworkRules("deny", ["api.example.com:443"]), Cancel);
        var wanted = new EgressPolicy(EgressMode.Deny, ["api.example.com:443"]);
        await Eventually.SeesAsync("policy", () => Task.FromResult(Backend.Policies[runner.GetPrimaryKeyString()]), policy => policy.Equals(wanted), Cancel);
    }

    [Fact]
    public async Task AWarmPool_IsFilled_Claimed_AndFilledAgain()
    {
        Options.Warm.Add(new WarmPoolOptions { Min = 2, Cpus = 1 });
        await StartAsync();
        await Provider.GetAsync(Cancel);
        await Eventually.SeesAsync("slots", () => Task.FromResult(Backend.Slots.Count), n => n == 2, Cancel);
        var slots = Backend.Slots.Keys.ToHashSet();
        await SeesAsync(await OrderAsync("acme", new RunnerShape { Cpus = 1 }), RunnerStatus.Started);
        await SeesAsync(await OrderAsync("acme", new RunnerShape { Cpus = 2 }), RunnerStatus.Started);
        var started = Backend.Started.ToArray();
        Assert.Contains(started[0].WarmSlot!, slots);
        Assert.Null(started[1].WarmSlot);
        await Eventually.SeesAsync("slots", () => Task.FromResult(Backend.Slots.Count), n => n == 2, Cancel);
    }

    [Fact]
    public async Task ASecret_IsVerified_WhenTheFirstHelloHasBoundIt_AndUntilTheRunnerEnds()
    {
        await StartAsync();
        var runner = await OrderAsync("acme");
        await SeesAsync(runner, RunnerStatus.Started);
        Assert.True(Backend.Started.TryDequeue(out var spec));
        byte[] secret = [.. Enumerable.Repeat((byte)7, 32)];
        await RefusedAsync(FaultCode.TokenRefused, runner, 1, secret);
        await runner.HelloAsync(new RunnerHello(1, spec.Token, secret, "1", "host", 1), Cancel);
        var before = await runner.GetAsync(Cancel);

        Assert.Equal(new RunnerAdmission("acme/sess_0000000000000000", 1), await runner.VerifyAsync(1, secret, Cancel));
        await RefusedAsync(FaultCode.TokenRefused, runner, 1, new byte[32]);
        await RefusedAsync(FaultCode.TokenRefused, runner, 1, []);
        await RefusedAsync(FaultCode.Fenced, runner, 2, secret);
        Assert.Equal(before.UpdatedAt, (await runner.GetAsync(Cancel)).UpdatedAt);
        await RefusedAsync(FaultCode.TokenRefused, Grains.GetGrain<IRunnerGrain>("other/" + runner.GetPrimaryKeyString()[5..]), 1, secret);

        await runner.ReleaseAsync("done", Cancel);
        await RefusedAsync(FaultCode.Fenced, runner, 1, secret);
        await RefusedAsync(FaultCode.TokenRefused, runner, 1, new byte[32]);
    }

    [Fact]
    public async Task AStart_ThatIsOrderedAgainWhileItIsUnderWay_TakesTheTokenThatItBeganWith()
    {
        Backend.Gate = new TaskCompletionSource();
        await StartAsync();
        var runner = await OrderAsync("acme");
        await Eventually.SeesAsync("a start", () => Task.FromResult(Backend.Tries), n => n == 1, Cancel);
        // As the session's grain does after it has moved.
        for (var i = 0; i < 3; i++)
            await runner.EnsureAsync(new RunnerRequest("sess_0000000000000000", 1, "scripted", "ws_0000000000000000") { Shape = new(), Network = NetworkRules.Open }, Cancel);
        Backend.Gate.SetResult();
        await SeesAsync(runner, RunnerStatus.Started);
        Assert.True(Backend.Started.TryDequeue(out var spec));
        byte[] secret = [.. Enumerable.Repeat((byte)7, 32)];
        Assert.Equal(
            FaultCode.TokenRefused,
            (await Assert.ThrowsAsync<MarionetteException>(() => runner.HelloAsync(new RunnerHello(1, spec.Token + "x", secret, "1", "host", 1), Cancel))).Code);
        Assert.Equal(new RunnerAdmission("acme/sess_0000000000000000", 1), await runner.HelloAsync(new RunnerHello(1, spec.Token, secret, "1", "host", 1), Cancel));
    }

    private static async Task RefusedAsync(FaultCode code, IRunnerGrain runner, long epoch, byte[] secret) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<MarionetteException>(() => runner.VerifyAsync(epoch, secret, Cancel).AsTask())).Code);

    private async Task<IRunnerGrain> OrderAsync(string tenant, RunnerShape? shape = null, NetworkRules? network = null)
    {
        var runner = Grains.GetGrain<IRunnerGrain>(GrainKeys.Of(tenant, $"run_{_runners++:d16}"));
        await runner.EnsureAsync(
            new RunnerRequest("sess_0000000000000000", 1, "scripted", "ws_0000000000000000") { Shape = shape ?? new(), Network = network ?? NetworkRules.Open }, Cancel);
        return runner;
    }

    private static Task<RunnerView> SeesAsync(IRunnerGrain runner, RunnerStatus status) =>
        Eventually.SeesAsync("runner", () => runner.GetAsync(Cancel).AsTask(), view => view.Status == status, Cancel);
}
