using Marionette.Pools;
using Marionette.TestSupport;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>Orders to a host, its lease, and what an operator does with it.</summary>
public sealed class HostGrainTests(PostgresFixture postgres) : PoolTest(postgres)
{
    [Fact]
    public async Task AnOrderWithoutAnAnswer_ComesAgainWithTheNextStream()
    {
        await StartAsync();
        var host = await UpAsync();
        host.IsDeaf = true;
        var key = NewRunner();
        var order = Ensure(key);
        Assert.Null(await host.Grain.OrderAsync(order, TimeSpan.FromMilliseconds(100), Cancel));
        await Eventually.SeesAsync("order", () => Task.FromResult(host.Orders.Count), count => count == 1, Cancel);
        Assert.Equal("ordered", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
        await host.DetachAsync();
        host.IsDeaf = false;
        await host.AttachAsync();
        var result = await host.Grain.OrderAsync(order, TimeSpan.FromSeconds(10), Cancel);
        Assert.Equal("running", result!.Runner!.State);
        Assert.Equal([order.OrderId, order.OrderId], host.Orders.Select(o => o.OrderId));
        // Asked once more it is not sent once more.
        Assert.Equal(result.OrderId, (await host.Grain.OrderAsync(order, TimeSpan.FromSeconds(1), Cancel))!.OrderId);
        Assert.Equal(2, host.Orders.Count);
    }

    [Fact]
    public async Task AnOrderOfAnOlderEpoch_IsFenced()
    {
        await StartAsync();
        var host = await UpAsync();
        var key = NewRunner();
        await host.Grain.OrderAsync(Ensure(key, 2), TimeSpan.FromSeconds(10), Cancel);
        await FailsAsync(FaultCode.Fenced, () => host.Grain.OrderAsync(Ensure(key, 1), TimeSpan.FromSeconds(1), Cancel));
        Assert.Equal(2, host.Runners[key].Epoch);
    }

    [Theory]
    [InlineData(RunnerOrderKind.Stop)]
    [InlineData(RunnerOrderKind.Release)]
    public async Task AnEndOfAnOlderEpoch_HasHappened_AndLeavesTheNewer(RunnerOrderKind kind)
    {
        await StartAsync();
        var host = await UpAsync();
        var key = NewRunner();
        await host.Grain.OrderAsync(Ensure(key, 2), TimeSpan.FromSeconds(10), Cancel);
        var result = await host.Grain.OrderAsync(new RunnerOrder(EntityId.New("ord", TimeProvider.System.GetUtcNow()), key, 1, kind), TimeSpan.FromSeconds(1), Cancel);
        Assert.Null(result!.Fault);
        Assert.Equal(2, host.Runners[key].Epoch);
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 2, Cancel)).State);
    }

    [Fact]
    public async Task AStartThatFails_LeavesNothingRecorded()
    {
        await StartAsync();
        var host = await UpAsync();
        host.Fault = ("capacity", "The disk is full.");
        var key = NewRunner();
        var result = await host.Grain.OrderAsync(Ensure(key), TimeSpan.FromSeconds(10), Cancel);
        Assert.Equal(("capacity", "The disk is full."), (result!.Fault, result.Message));
        await SeesHostAsync(host, view => view.Runners == 0);
        Assert.Equal("missing", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
    }

    [Fact]
    public async Task AHostThatIsAwayForAMoment_LosesNothing()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        await host.DetachAsync();
        await SeesHostAsync(host, view => view.Status == HostStatus.Offline);
        await FailsAsync(FaultCode.Unavailable, () => host.Grain.ObserveAsync(key, 1, Cancel).AsTask());
        await FailsAsync(FaultCode.Unavailable, () => host.Grain.OrderAsync(Order(key, RunnerOrderKind.Pause), TimeSpan.FromSeconds(1), Cancel));
        await FailsAsync(FaultCode.Unavailable, () => host.Grain.OrderAsync(Ensure(NewRunner()), TimeSpan.FromSeconds(1), Cancel));
        await host.AttachAsync();
        await SeesHostAsync(host, view => view is { Status: HostStatus.Online, Runners: 1 });
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
        Assert.Equal(0, host.Releases);
    }

    [Fact]
    public async Task AReleaseWhileTheHostIsAway_IsDoneWhenItIsBack()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        await host.DetachAsync();
        await FailsAsync(FaultCode.Unavailable, () => host.Grain.OrderAsync(Order(key, RunnerOrderKind.Release), TimeSpan.FromSeconds(1), Cancel));
        await Eventually.SeesAsync("list", async () => (await Pool.ListRunnersAsync(Cancel)).Length, count => count == 0, Cancel);
        await DeactivateAsync(host.Grain);
        await host.AttachAsync();
        await Eventually.SeesAsync("runners", () => Task.FromResult(host.Runners.Count), count => count == 0, Cancel);
        await SeesHostAsync(host, view => view is { Runners: 0, CpusHeld: 0 });
    }

    [Fact]
    public async Task AHostThatIsAwayForLonger_IsLost_AndComesBackWithLeftovers()
    {
        Settings["HostLease"] = "00:00:05";
        await StartAsync();
        var host = await UpAsync();
        var (given, _) = await RunAsync(workspace: "ws_0000000000000001");
        var (held, _) = await RunAsync();
        await using var notices = Pool.WatchAsync(Cancel).GetAsyncEnumerator(Cancel);
        var ended = notices.MoveNextAsync().AsTask();
        await host.DetachAsync();
        await SeesHostAsync(host, view => view.Status == HostStatus.Lost);
        Assert.True(await ended);
        Assert.IsType<PoolRunnerEnded>(notices.Current);
        var lost = await host.Grain.ObserveAsync(given, 1, Cancel);
        Assert.Equal(("missing", "host_lost"), (lost.State, lost.Cause));

        // Its session gave the one back, which counts as done; its files go on elsewhere.
        Assert.Null((await host.Grain.OrderAsync(Order(given, RunnerOrderKind.Release), TimeSpan.FromSeconds(1), Cancel))!.Fault);
        var other = await UpAsync();
        Assert.Equal(other.Id, (await RunAsync(workspace: "ws_0000000000000001")).Host);
        await SeesHostAsync(host, view => !view.Workspaces.Contains("ws_0000000000000001"));

        var stranger = new HostRunnerView("acme/run_strange000000000", 3, "running");
        host.Runners[stranger.RunnerKey] = stranger;
        await host.AttachAsync();
        await Eventually.SeesAsync("runners", () => Task.FromResult(string.Join(' ', host.Runners.Keys)), keys => keys == held, Cancel);
        Assert.Equal("running", (await host.Grain.ObserveAsync(held, 1, Cancel)).State);
        await SeesHostAsync(host, view => view is { Status: HostStatus.Online, Runners: 1 });
        // The files that went on elsewhere are removed: they must not be taken for the newest ones.
        await Eventually.SeesAsync("forgotten", () => Task.FromResult(host.Count<ForgetWorkspaceOrder>(order => order.Workspace == "acme/ws_0000000000000001")), count => count == 1, Cancel);
        Assert.Equal(2, host.Releases);
    }

    [Fact]
    public async Task StartsThatKeepFailing_HoldTheHostOff()
    {
        await StartAsync();
        var host = await UpAsync();
        host.Fault = ("unavailable", "No loop device.");
        for (var i = 0; i < 5; i++)
        {
            Assert.Null((await host.Grain.GetAsync(Cancel)).Taint);
            Assert.Equal("unavailable", (await host.Grain.OrderAsync(Ensure(NewRunner()), TimeSpan.FromSeconds(10), Cancel))!.Fault);
        }

        Assert.Equal("Starts keep failing here: No loop device.", (await host.Grain.GetAsync(Cancel)).Taint);
        // What was made of the five workspaces is removed.
        await Eventually.SeesAsync("forgotten", () => Task.FromResult(host.Count<ForgetWorkspaceOrder>()), count => count == 5, Cancel);
    }

    [Fact]
    public async Task OneRunnerThatDiesAgainAndAgain_DoesNotHoldTheHostOff()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        for (var i = 0; i < 6; i++)
        {
            await host.EndAsync(key, 139, "killed");
            await host.Grain.OrderAsync(Ensure(key, id: $"again{i}"), TimeSpan.FromSeconds(10), Cancel);
        }

        Assert.Null((await host.Grain.GetAsync(Cancel)).Taint);
    }

    /// <summary>A gateway that dies says nothing: silence is enough.</summary>
    [Fact]
    public async Task AHostThatFallsSilent_IsLost_AndItsStreamIsTakenUpAgain()
    {
        Settings["HostLease"] = "00:00:05";
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        await SeesHostAsync(host, view => view.Load is not null);
        await host.SilenceAsync();
        await SeesHostAsync(host, view => view.Status == HostStatus.Lost);
        await host.AttachAsync();
        await SeesHostAsync(host, view => view is { Status: HostStatus.Online, Runners: 1 });
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
    }

    [Fact]
    public async Task ARunnerThatIsNotThereAnyMore_IsLookedAt_AndIsMissing()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        host.Runners.Clear();
        host.Facts = host.Facts with { BootId = "boot-2" };
        await host.AttachAsync();
        var seen = await Eventually.SeesAsync("runner", () => host.Grain.ObserveAsync(key, 1, Cancel).AsTask(), view => view.State == "missing", Cancel);
        Assert.Equal("removed", seen.Cause);
    }

    [Fact]
    public async Task ANewerConnection_TakesOver()
    {
        await StartAsync();
        var host = await UpAsync();
        var second = NewHost(host.Id);
        await second.JoinAsync("");
        await Eventually.SeesAsync("closed", () => Task.FromResult(host.Dismissed), dismissed => dismissed == false, Cancel);
        var key = NewRunner();
        await host.Grain.OrderAsync(Ensure(key), TimeSpan.FromSeconds(10), Cancel);
        Assert.True(second.Runners.ContainsKey(key));
        // What the old stream still brings is not heard.
        await host.SayAsync(new HostRunnerEnded(new HostRunnerView(key, 1, "exited", 1, "exited")));
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
    }

    [Fact]
    public async Task ADrainedHost_KeepsItsRunners_AndTakesNone()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        Assert.True((await host.Grain.DrainAsync(true, Cancel)).Draining);
        await SeesHostAsync(host, view => view.Draining);
        await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(NewRunner()), Cancel).AsTask());
        await FailsAsync(FaultCode.Conflict, () => host.Grain.OrderAsync(Ensure(NewRunner()), TimeSpan.FromSeconds(1), Cancel));
        Assert.Equal(host.Id, await Pool.PlaceAsync(Need(key), Cancel));
        Assert.Null((await host.Grain.OrderAsync(Ensure(key, id: "again"), TimeSpan.FromSeconds(10), Cancel))!.Fault);
        await host.Grain.DrainAsync(false, Cancel);
        await SeesHostAsync(host, view => !view.Draining);
        await RunAsync();
    }

    [Fact]
    public async Task RunnersThatKeepDying_HoldTheHostOff()
    {
        await StartAsync();
        var host = await UpAsync(facts => facts with { Cpus = 64, MemoryMib = 500_000 });
        for (var i = 0; i < 3; i++) await host.EndAsync((await RunAsync()).Key, 0, "exited");
        await host.EndAsync((await RunAsync()).Key, 137, "out_of_memory");
        for (var i = 0; i < 5; i++)
        {
            Assert.Null((await host.Grain.GetAsync(Cancel)).Taint);
            await host.EndAsync((await RunAsync()).Key, 139, "killed");
        }

        Assert.Contains("keep dying", (await host.Grain.GetAsync(Cancel)).Taint, StringComparison.Ordinal);
        await SeesHostAsync(host, view => view.Taint is not null);
        await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(NewRunner()), Cancel).AsTask());
        await host.Grain.TaintAsync(null, Cancel);
        await SeesHostAsync(host, view => view.Taint is null);
        await RunAsync();
    }

    [Fact]
    public async Task AHostWithRunners_IsRemovedByForceOnly_AndIsDismissed()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        await FailsAsync(FaultCode.Conflict, () => host.Grain.RemoveAsync(force: false, Cancel));
        await host.Grain.RemoveAsync(force: true, Cancel);
        await host.Grain.RemoveAsync(force: true, Cancel);
        await Eventually.SeesAsync("dismissed", () => Task.FromResult(host.Dismissed), dismissed => dismissed == true, Cancel);
        Assert.Empty(await Pool.ListHostsAsync(Cancel));
        Assert.Null(await Pool.WhereAsync(key, Cancel));
        Assert.Equal("host_lost", (await host.Grain.ObserveAsync(key, 1, Cancel)).Cause);
        await FailsAsync(FaultCode.TokenRefused, () => host.JoinAsync(""));
        await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(NewRunner()), Cancel).AsTask());
    }
}
