using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Agent.Processes;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What goes wrong around a runner, and what is told of it.</summary>
public sealed class LifeTests
{
    private const string Runner = "acme/run_1";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Agent_OfARunner_CallsTheGatewayAndItsTokenLiesNowhere()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        using var gateway = Listener();

        var order = SandboxWorld.Order(Runner, "bwrap");
        await world.StartAgentAsync(order, AddressOf(gateway));
        using var call = await gateway.AcceptAsync(Token);

        Assert.All(
            Directory.GetFiles(world.State, "*.json", SearchOption.AllDirectories).Concat(Directory.GetFiles(world.State, "*.log", SearchOption.AllDirectories)),
            file => Assert.DoesNotContain(order.Token, File.ReadAllText(file), StringComparison.Ordinal));
        Assert.All(world.ProcessesOf(Runner), process =>
        {
            Assert.DoesNotContain(order.Token, File.ReadAllText($"/proc/{process.Pid}/cmdline"), StringComparison.Ordinal);
            Assert.DoesNotContain(order.Token, File.ReadAllText($"/proc/{process.Pid}/environ"), StringComparison.Ordinal);
        });
        var stopped = await world.Keeper.StopAsync(SandboxWorld.Ref(Runner), Token);
        Assert.Equal((RunnerState.Exited, "exited", 0), (stopped.State, stopped.Cause, stopped.ExitCode));
    }

    [Fact]
    public async Task NetworkHelper_Killed_ComesBackWithThePolicies()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        using var gateway = Listener();
        await world.StartAsync(
            Runner, "while true; do (exec 3<>/dev/tcp/gateway.marionette.internal/80) 2>/dev/null && echo reached || echo cut; sleep 0.1; done", gateway: AddressOf(gateway));
        (await gateway.AcceptAsync(Token)).Dispose();
        var mark = JsonSerializer.Deserialize(
            await File.ReadAllBytesAsync(Path.Combine(world.State, "netd.json"), Token), SandboxJsonContext.Default.ProcessMark)!;

        _ = Libc.Kill(mark.Pid, Libc.SigKill);
        await SandboxWorld.UntilAsync(() => Task.FromResult(!mark.IsAlive()), "the helper to end");
        while (gateway.Poll(0, SelectMode.SelectRead))
            (await gateway.AcceptAsync(Token)).Dispose();
        (await gateway.AcceptAsync(Token)).Dispose();

        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Runner), Token)).State);
    }

    [Fact]
    public async Task Runner_Ended_IsToldWithItsCause()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Runner, "echo up; exec sleep 600");
        var record = RunnerRecord.Load(world.Keeper.Folders.OfRunner(Runner))!;

        record.Init!.Kill();
        var told = await world.Keeper.Notices.ReadAsync(Token);

        Assert.Equal((Runner, 1, RunnerState.Exited, "killed"), (told.Ended.Runner, told.Ended.Epoch, told.Ended.State, told.Ended.Cause));
        Assert.Empty(world.ProcessesOf(Runner));
        await world.StartAsync(Runner, "exit 5", change: order => order.Epoch = 2);
        told = await world.Keeper.Notices.ReadAsync(Token);
        Assert.Equal((2, "exited", 5), (told.Ended.Epoch, told.Ended.Cause, told.Ended.ExitCode));
    }

    [Fact]
    public async Task Order_OfAnOlderEpochOrForATakenWorkspace_IsRefused()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Runner, "exec sleep 600", change: order => order.Epoch = 2);

        var older = await Assert.ThrowsAsync<HostFault>(() => world.StartAsync(Runner, "true"));
        var taken = await Assert.ThrowsAsync<HostFault>(() => world.StartAsync("acme/run_2", "true", change: order => order.Workspace = "ws_run_1"));
        var unknown = await Assert.ThrowsAsync<HostFault>(() => world.StartAsync("acme/run_3", "true", kind: "chroot"));

        Assert.Equal((FaultKind.Rejected, FaultKind.Unavailable, FaultKind.Rejected), (older.Kind, taken.Kind, unknown.Kind));
        Assert.Equal(RunnerState.Missing, (await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Runner, 1), Token)).State);
        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Runner, 2), Token)).State);
    }

    [Fact]
    public async Task Rules_Replaced_HoldAtOnce()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Runner, "while true; do (exec 3<>/dev/tcp/192.0.2.7/80; read -r -t 5 -u 3 x); sleep 0.1; done 2> /dev/null");
        var first = await world.Keeper.Notices.ReadAsync(Token);

        await world.Keeper.ApplyEgressAsync(new ApplyEgress { Runner = Runner, Epoch = 1, Rules = new EgressRules { Mode = "open" } }, Token);
        var bad = await Assert.ThrowsAsync<HostFault>(() => world.Keeper.ApplyEgressAsync(
            new ApplyEgress { Runner = Runner, Epoch = 1, Rules = new EgressRules { Mode = "none" } }, Token));

        Assert.Equal(("192.0.2.7", 80), (first.Blocked.Target, first.Blocked.Port));
        Assert.Contains("mode must be", bad.Message, StringComparison.Ordinal);
        Assert.Equal("open", RunnerRecord.Load(world.Keeper.Folders.OfRunner(Runner))!.EgressMode);
    }

    [Fact]
    public async Task Leftovers_OfNoRecord_AreRemoved()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync(Runner, "echo up; exec sleep 600");
        File.Delete(Path.Combine(world.Keeper.Folders.OfRunner(Runner), RunnerRecord.FileName));

        await world.RestartAsync();

        Assert.Empty(world.Keeper.List());
        await SandboxWorld.UntilAsync(() => Task.FromResult(world.Left().Count == 0), "nothing to be left: " + string.Join(", ", world.Left()));
    }

    private static Uri AddressOf(Socket listener) => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}");

    private static Socket Listener()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(64);
        return listener;
    }
}
