using Grpc.Core;
using Marionette.Agent.Hosting;
using Marionette.Agent.Hosts;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Daemon;

/// <summary>A host's daemon against a gateway: over a real connection, with runners in memory.</summary>
public sealed class HostChannelTests
{
    [Fact]
    public async Task Hello_ProvesTheHost_AndTellsAllOfIt()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        host.Keeper.Has("acme/run_old");
        host.Start();
        await gateway.ConnectedAsync();
        var hello = gateway.Hellos[0];
        Assert.Equal((1u, 1u, "builders", host.Identity.Host, "mj_canary"), (hello.Version, hello.MinVersion, hello.Pool, hello.Host, hello.Token));
        Assert.Equal(host.Identity.Secret, hello.Secret.ToByteArray());
        var facts = hello.Inventory.Facts;
        Assert.Equal(("a host", AgentVersion.Text, 3.0, 4096L, 8192L), (facts.Name, facts.Version, facts.Cpus, facts.MemoryMib, facts.DiskMib));
        Assert.Equal("b", facts.Labels["zone"]);
        Assert.Contains("Linux", facts.System);
        Assert.NotEqual("", facts.BootId);
        Assert.Equal("bwrap", facts.Sandboxes.Single().Kind);
        Assert.Equal("acme/run_old", hello.Inventory.Runners.Single().Runner);
        Assert.Equal("recover", host.Keeper.Calls[0]);
    }

    [Fact]
    public async Task Token_IsSaidUntilTheFirstWelcome_AndTheJoinIsKept()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        await host.Daemon.Welcomed.WaitAsync(TimeSpan.FromSeconds(30));
        gateway.Cut();
        await gateway.ConnectedAsync(2);
        Assert.Equal("", gateway.Hellos[1].Token);
        Assert.Equal(gateway.Hellos[0].Secret, gateway.Hellos[1].Secret);
        Assert.True(HostIdentity.Load(host.State)!.Joined);
        Assert.DoesNotContain("mj_canary", File.ReadAllText(Path.Combine(host.State, HostIdentity.FileName)));
        Assert.DoesNotContain("mj_canary", host.Log);
    }

    [Fact]
    public async Task Orders_AreCarriedOut_AndAnswered()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        var runner = new RunnerRef { Runner = "acme/run_1", Epoch = 1 };
        (Order Order, RunnerState State)[] orders =
        [
            (HostHarness.Ensure("o1", "acme/run_1"), RunnerState.Running),
            (new Order { Id = "o2", Pause = runner }, RunnerState.Paused),
            (new Order { Id = "o3", Unpause = runner }, RunnerState.Running),
            (new Order { Id = "o4", Egress = new ApplyEgress { Runner = "acme/run_1", Epoch = 1 } }, RunnerState.Running),
            (new Order { Id = "o5", Observe = runner }, RunnerState.Running),
            (HostHarness.Stop("o6", "acme/run_1"), RunnerState.Exited),
            (new Order { Id = "o7", Release = runner }, RunnerState.Missing),
        ];
        foreach (var (order, state) in orders)
        {
            gateway.Send(order);
            var result = await gateway.ResultAsync(order.Id);
            Assert.Null(result.Fault);
            Assert.Equal(state, result.Runner.State);
        }

        Assert.Equal(new Uri(gateway.Url), host.Keeper.Gateway);
        var progress = gateway.Heard.Select(entry => entry.Message.Progress).Single(message => message is not null);
        Assert.Equal(("o1", "sandbox", 7L), (progress.Id, progress.Phase, progress.TookMs));
        Assert.DoesNotContain("rtok_canary", host.Log);
    }

    [Fact]
    public async Task OrderThatFails_IsAFault_AndTheHostGoesOn()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        host.Keeper.During = (call, _) => call switch
        {
            "ensure acme/run_1" => throw new HostFault(FaultKind.Capacity, "no memory"),
            "ensure acme/run_2" => throw new FormatException("odd"),
            _ => Task.CompletedTask,
        };
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        gateway.Send(HostHarness.Ensure("o2", "acme/run_2"));
        gateway.Send(new Order { Id = "o3" });
        gateway.Send(HostHarness.Ensure("o4", "acme/run_3"));
        var capacity = (await gateway.ResultAsync("o1")).Fault;
        Assert.Equal((FaultKind.Capacity, "no memory"), (capacity.Kind, capacity.Message));
        Assert.Equal(FaultKind.Ambiguous, (await gateway.ResultAsync("o2")).Fault.Kind);
        Assert.Equal(FaultKind.Rejected, (await gateway.ResultAsync("o3")).Fault.Kind);
        Assert.Null((await gateway.ResultAsync("o4")).Fault);
    }

    [Fact]
    public async Task RepeatedOrder_IsWorkedOnce_AndAnsweredAgain_WithAnInventoryAfterIt()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await gateway.ResultAsync("o1");
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await gateway.UntilAsync(() => gateway.Heard[^1].Message.Inventory is not null, "an inventory");
        Assert.Equal(2, gateway.Results.Count);
        Assert.Equal(gateway.Results[0], gateway.Results[1]);
        Assert.Single(host.Keeper.Calls, call => call == "ensure acme/run_1");
        Assert.Equal("acme/run_1", gateway.Heard[^1].Message.Inventory.Runners.Single().Runner);
    }

    [Fact]
    public async Task ResultThatCameWhileAway_IsSaidOnTheNextConnection()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        host.Keeper.During = (call, _) =>
        {
            if (!call.StartsWith("ensure", StringComparison.Ordinal))
                return Task.CompletedTask;
            begun.TrySetResult();
            return go.Task;
        };
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        gateway.Cut();
        await gateway.ConnectedAsync(2);
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        go.SetResult();
        await gateway.ResultAsync("o1");
        Assert.Single(host.Keeper.Calls, call => call == "ensure acme/run_1");
        Assert.Empty(gateway.Hellos[1].Inventory.Runners);
    }

    [Fact]
    public async Task WhatWasNotConfirmed_IsSaidAgain_InOrder()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        gateway.Confirms = false;
        gateway.HeartbeatMs = 60_000;
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await gateway.ResultAsync("o1");
        host.Keeper.Happens(new HostMessage { Blocked = new EgressBlocked { Runner = "acme/run_1", Target = "evil.example", Count = 1 } });
        host.Keeper.Happens(new HostMessage { Throttled = new RunnerThrottled { Runner = "acme/run_1", Cpus = 0.1, Count = 1 } });
        host.Keeper.Dies("acme/run_1");
        await gateway.UntilAsync(() => gateway.Heard.Any(entry => entry.Message.Ended is not null), "ended");
        gateway.Cut();
        await gateway.UntilAsync(() => gateway.Heard.Any(entry => entry.Connection == 2 && entry.Message.Inventory is not null), "all of it again");
        HostMessage.KindOneofCase[] expected =
        [
            HostMessage.KindOneofCase.Result, HostMessage.KindOneofCase.Blocked, HostMessage.KindOneofCase.Throttled, HostMessage.KindOneofCase.Ended,
            HostMessage.KindOneofCase.Inventory,
        ];
        Assert.Equal(expected, gateway.Heard.Where(entry => entry.Connection == 2).Select(entry => entry.Message.KindCase));
        Assert.Equal(RunnerState.Exited, gateway.Hellos[1].Inventory.Runners.Single().State);
        Assert.Equal(RunnerState.Exited, gateway.Heard[^1].Message.Inventory.Runners.Single().State);
    }

    [Fact]
    public async Task WhatWasConfirmed_IsNotSaidAgain()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await gateway.ResultAsync("o1");
        // The answer to the next heartbeat but one has surely followed a heartbeat that came after the result.
        var beats = gateway.Heartbeats;
        await gateway.UntilAsync(() => gateway.Heartbeats >= beats + 3, "heartbeats");
        gateway.Cut();
        await gateway.ConnectedAsync(2);
        gateway.Send(HostHarness.Ensure("o2", "acme/run_2"));
        await gateway.ResultAsync("o2");
        Assert.Equal(["o1", "o2"], gateway.Results.Select(result => result.Id));
    }

    [Fact]
    public async Task Notices_ThatHappenWhileAway_AreSaidAfterwards()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        gateway.Refuse = StatusCode.Unavailable;
        await using var host = new HostHarness(gateway).Start();
        await gateway.UntilAsync(() => gateway.Hellos.Count >= 2, "two refused hellos");
        host.Keeper.Dies("acme/run_9");
        gateway.Refuse = null;
        await gateway.UntilAsync(() => gateway.Heard.Any(entry => entry.Message.Ended?.Runner == "acme/run_9"), "the notice");
        Assert.Equal("acme/run_9", gateway.Hellos[^1].Inventory.Runners.Single().Runner);
    }

    [Fact]
    public async Task AnOutdatedWorkspace_IsForgotten_AndSaidSo()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync();
        gateway.Send(new Order { Id = "o1", ForgetWorkspace = new WorkspaceRef { Workspace = "acme/ws_1" } });
        var result = await gateway.ResultAsync("o1");
        Assert.Null(result.Runner);
        Assert.Null(result.Fault);
        Assert.Contains("forget acme/ws_1", host.Keeper.Calls);
    }

    [Fact]
    public async Task ChangedSandboxes_AreToldUnasked()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway, new HostTimings { Look = TimeSpan.FromMilliseconds(50) }).Start();
        await gateway.ConnectedAsync();
        host.Keeper.Sandboxes = [new SandboxFacts { Kind = "runsc", Works = true }];
        await gateway.UntilAsync(() => gateway.Heard.Any(entry => entry.Message.Inventory?.Facts.Sandboxes[0].Kind == "runsc"), "an inventory");
        Assert.Single(gateway.Heard, entry => entry.Message.Inventory is not null);
    }

    [Fact]
    public async Task UnchangedHost_IsTold_EveryFewMinutes()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        var timings = new HostTimings { Look = TimeSpan.FromMilliseconds(20), Inventory = TimeSpan.FromMilliseconds(100) };
        await using var host = new HostHarness(gateway, timings).Start();
        await gateway.UntilAsync(() => gateway.Heard.Count(entry => entry.Message.Inventory is not null) >= 2, "two inventories");
    }

    [Fact]
    public async Task Heartbeats_CarryTheLoad()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway).Start();
        await gateway.UntilAsync(() => gateway.Heartbeats >= 3, "heartbeats");
        var beat = gateway.LastHeartbeat!;
        Assert.InRange(beat.CpuLoad, 0, 1);
        Assert.True(beat.MemoryUsedMib > 0);
        Assert.True(beat.DiskFreeMib > 0);
        Assert.True(beat.SentMs > 0);
    }

    [Fact]
    public async Task SilentServer_IsLeft_AndDialledAgain()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        gateway.HeartbeatMs = 100;
        gateway.Mute = true;
        await using var host = new HostHarness(gateway).Start();
        await gateway.ConnectedAsync(2);
        Assert.Contains("Nothing from the server", host.Log);
    }

    [Fact]
    public async Task Drain_IsFollowedByAnotherConnection_AndRunnersGoOn()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        host.Keeper.Has("acme/run_1");
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(new GatewayMessage { Drain = new HostDrain { DelayMs = 10 } });
        await gateway.ConnectedAsync(2);
        Assert.Contains("host.drained", host.Log);
        Assert.Equal("acme/run_1", gateway.Hellos[1].Inventory.Runners.Single().Runner);
    }

    [Fact]
    public async Task Dismissed_EndsAllRunners_AndForgetsTheJoin()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        host.Keeper.Has("acme/run_1");
        host.Keeper.Has("acme/run_2");
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(new GatewayMessage { Dismissed = new HostDismissed { Reason = "removed" } });
        Assert.Equal(ExitCodes.Dismissed, await host.EndAsync());
        Assert.Empty(host.Keeper.List());
        Assert.Equal("clear files: True", host.Keeper.Calls[^1]);
        Assert.Null(HostIdentity.Load(host.State));
    }

    [Fact]
    public async Task Dismissed_WithARunnerThatCannotBeReleased_KeepsTheJoinForAnotherTry()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        host.Keeper.Has("acme/run_1");
        host.Keeper.During = (call, _) => call == "release acme/run_1" ? throw new IOException("busy") : Task.CompletedTask;
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(new GatewayMessage { Dismissed = new HostDismissed { Reason = "removed" } });
        Assert.Equal(ExitCodes.Dismissed, await host.EndAsync());
        Assert.NotNull(HostIdentity.Load(host.State));
        Assert.Equal(3, host.Keeper.Calls.Count(call => call == "release acme/run_1"));
    }

    [Fact]
    public async Task RefusedToken_EndsTheDaemon_AndLeavesRunnersAlone()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        gateway.Refuse = StatusCode.Unauthenticated;
        await using var host = new HostHarness(gateway);
        host.Keeper.Has("acme/run_1");
        host.Start();
        Assert.Equal(ExitCodes.TokenRefused, await host.EndAsync());
        Assert.Single(host.Keeper.List());
        Assert.False(HostIdentity.Load(host.State)!.Joined);
    }

    [Fact]
    public async Task Stop_FinishesWhatIsUnderWay_SaysIt_AndLeavesRunnersAlone()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        await using var host = new HostHarness(gateway);
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        host.Keeper.During = (call, _) =>
        {
            if (!call.StartsWith("ensure", StringComparison.Ordinal))
                return Task.CompletedTask;
            begun.TrySetResult();
            return go.Task;
        };
        host.Start();
        await gateway.ConnectedAsync();
        gateway.Send(HostHarness.Ensure("o1", "acme/run_1"));
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));
        var stopping = host.StopAsync();
        go.SetResult();
        Assert.Equal(ExitCodes.Stopped, await stopping);
        var last = gateway.Heard.Select(entry => entry.Message.KindCase).TakeLast(2);
        Assert.Equal([HostMessage.KindOneofCase.Result, HostMessage.KindOneofCase.Goodbye], last);
        Assert.Single(host.Keeper.List());
        Assert.DoesNotContain("release acme/run_1", host.Keeper.Calls);
    }

    [Fact]
    public async Task Leave_EndsRunners_SaysGoodbye_AndForgetsTheJoin()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new TempFolder();
        var identity = HostHarness.NewIdentity(gateway.Url);
        identity.Joined = true;
        identity.Save(folder.Path);
        var keeper = new FakeKeeper();
        keeper.Has("acme/run_1");
        using var output = new StringWriter();
        var code = await HostLeave.RunAsync(identity, folder.Path, keeper, output, TimeProvider.System, new TextLog());
        Assert.Equal(ExitCodes.Stopped, code);
        Assert.Empty(gateway.Hellos.Single().Inventory.Runners);
        Assert.Equal("left", gateway.Heard.Single(entry => entry.Message.Goodbye is not null).Message.Goodbye.Reason);
        Assert.Equal(["recover", "release acme/run_1", "clear files: True"], keeper.Calls);
        Assert.Empty(Directory.GetFiles(folder.Path));
        Assert.Contains($"{identity.Host} has left", output.ToString());
    }

    [Fact]
    public async Task Leave_WithRunnersThatStay_KeepsTheJoin()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new TempFolder();
        var identity = HostHarness.NewIdentity(gateway.Url);
        identity.Joined = true;
        identity.Save(folder.Path);
        var keeper = new FakeKeeper { During = (call, _) => call == "release acme/run_1" ? throw new IOException("busy") : Task.CompletedTask };
        keeper.Has("acme/run_1");
        using var output = new StringWriter();
        Assert.Equal(ExitCodes.BadConfiguration, await HostLeave.RunAsync(identity, folder.Path, keeper, output, TimeProvider.System, new TextLog()));
        Assert.NotNull(HostIdentity.Load(folder.Path));
        Assert.Empty(gateway.Hellos);
    }
}
