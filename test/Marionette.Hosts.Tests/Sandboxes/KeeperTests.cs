using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What happens beside a runner: other starts, other daemons, what is stuck, what is interrupted.</summary>
public sealed class KeeperTests
{
    private const string Runner = "acme/run_1", Other = "acme/run_2";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Check_BesideADaemon_LeavesAllOfItAlone()
    {
        await using var world = await WorldAsync();
        await world.StartAsync(Runner, "echo up; exec sleep 600");
        var helper = world.Helper;

        await RunnerKeeper.Create(world.State, SandboxWorld.Agent, (_, _) => null, NullLogger.Instance).DisposeAsync();
        using var check = new HostProcess(["--check", "--state", world.State]);
        var code = await check.EndAsync(300);
        Assert.True(code == 0, $"{code}: {check.Output}{check.Log}");

        Assert.Equal(helper, world.Helper);
        Assert.True(helper.IsAlive());
        Assert.DoesNotContain("sandbox.network.away", world.Log.Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(world.State, "check")));
        Assert.Equal(RunnerState.Running, (await world.Keeper.ObserveAsync(SandboxWorld.Ref(Runner), Token)).State);
    }

    [Fact]
    public async Task Start_WhileAnotherBeginsOnTheWorkspace_IsRefused()
    {
        await using var world = await WorldAsync();
        Task<RunnerReport>? second = null;
        IReadOnlyList<string>? held = null;
        world.OnStart = order =>
        {
            if (order.Runner != Runner)
                return;
            second = Task.Run(() => world.StartAsync(Other, "exec sleep 600", change: other => other.Workspace = "ws_run_1"));
            held = Task.Run(() => world.Keeper.ForgetWorkspacesAsync(["acme/ws_run_1"], Token)).GetAwaiter().GetResult();
            Task.WhenAny(second).GetAwaiter().GetResult();
        };

        await world.StartAsync(Runner, "exec sleep 600");

        Assert.Equal(FaultKind.Unavailable, (await Assert.ThrowsAsync<HostFault>(() => second!)).Kind);
        Assert.Equal(["acme/ws_run_1"], held!);
        Assert.Equal(Runner, Assert.Single(world.Keeper.List()).Runner);
    }

    [Fact]
    public async Task Network_LostDuringAStart_IsGivenToItAgain()
    {
        await using var world = await WorldAsync();
        using var gateway = Listener();

        await world.StartAsync(
            Runner, "until (exec 3<>/dev/tcp/gateway.marionette.internal/80) 2> /dev/null; do sleep 0.1; done; exec sleep 600", gateway: AddressOf(gateway),
            progress: phase =>
            {
                if (phase.Phase != "network")
                    return;
                var helper = world.Helper;
                helper.Kill();
                Assert.True(SpinWait.SpinUntil(() => world.Helper != helper && world.Helper.IsAlive(), SandboxWorld.Patience), "no other helper came");
            });

        (await gateway.AcceptAsync(Token)).Dispose();
    }

    [Fact]
    public async Task Seats_OfRunnersThatAreNotHere_AreNotKept()
    {
        await using var world = await WorldAsync();

        await Assert.ThrowsAsync<HostFault>(() => world.StartAsync(Runner, "true", kind: "chroot"));
        Assert.Equal(0, world.Keeper.Seats);
        await world.StartAsync(Runner, "exec sleep 600");
        Assert.Equal(1, world.Keeper.Seats);
        await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Runner), Token);
        await world.Keeper.ObserveAsync(SandboxWorld.Ref(Other), Token);
        Assert.Equal(0, world.Keeper.Seats);
    }

    [Fact]
    public async Task Runner_ThatDoesNotEnd_DelaysNoOther()
    {
        await using var world = await WorldAsync();
        await world.StartAsync(Runner, "exec sleep 600");
        await world.StartAsync(Other, "exec sleep 600");
        // A group within its group cannot be removed by removing that: as if a process in it did not end.
        var held = Path.Combine(world.GroupOf(Runner).Folders[0], "held");
        Directory.CreateDirectory(held);
        try
        {
            world.GroupOf(Runner).Kill();
            await SandboxWorld.UntilAsync(() => Task.FromResult(!RecordOf(world, Runner).Init!.IsAlive()), "the end of the first");
            RecordOf(world, Other).Init!.Kill();
            var told = await world.Keeper.Notices.ReadAsync(Token);

            Assert.Equal(Other, told.Ended.Runner);
            Assert.DoesNotContain("sandbox.stuck", world.Log.Text, StringComparison.Ordinal);
            Assert.Equal(RunnerState.Running, world.Keeper.List().Single(report => report.Runner == Runner).State);
        }
        finally
        {
            Cgroup.TryRemove(held);
        }

        Assert.Equal(Runner, (await world.Keeper.Notices.ReadAsync(Token)).Ended.Runner);
    }

    [Fact]
    public async Task Leftover_ThatDoesNotGo_KeepsNobodyFromStarting()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        var group = CgroupTree.Find(world.Keeper.Folders.Name).Make("acme.run_gone", 1, 64, 8);
        var held = Path.Combine(group.Folders[0], "held");
        Directory.CreateDirectory(held);
        try
        {
            await world.RecoverAsync();
            Assert.Contains("sandbox.stuck acme.run_gone", world.Log.Text, StringComparison.Ordinal);
            await world.StartAsync(Runner, "exec sleep 600");
        }
        finally
        {
            Cgroup.TryRemove(held);
            await group.RemoveAsync(Token);
        }
    }

    [Fact]
    public async Task Gateway_OfTheNextDaemon_IsReachedByTheRunnersOfTheLast()
    {
        await using var world = await WorldAsync();
        using var first = Listener();
        using var second = Listener();
        await world.StartAsync(
            Runner, "while true; do (exec 3<>/dev/tcp/gateway.marionette.internal/80) 2> /dev/null; sleep 0.1; done", gateway: AddressOf(first));
        (await first.AcceptAsync(Token)).Dispose();

        await world.RestartAsync(AddressOf(second));

        (await second.AcceptAsync(Token)).Dispose();
        Assert.Equal(AddressOf(second).ToString(), RecordOf(world, Runner).Gateway);
    }

    [Fact]
    public async Task Workspace_WhoseChangeOfUserWasInterrupted_IsTakenWholeByTheNext()
    {
        await using var world = await WorldAsync();
        await world.StartAsync(Runner, "mkdir a b; echo x > a/x; echo y > b/y", change: NoLimit);
        await world.EndedAsync(Runner);
        await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Runner), Token);
        // Another runner has the user by now: the next one on the workspace gets a new one.
        await world.StartAsync(Other, "exec sleep 600");
        var workspace = world.Keeper.Folders.OfWorkspace(Runner, "ws_run_1");
        WorkspaceUser.Save(workspace, RecordOf(world, Other).User);
        var file = Path.Combine(workspace, "tree", "b", "y");
        Assert.SkipUnless(TryMark(file, "+i"), "this file system has no files that cannot change");
        try
        {
            await Assert.ThrowsAsync<HostFault>(() => world.StartAsync(Runner, "true", change: NoLimit));
        }
        finally
        {
            TryMark(file, "-i");
        }

        Assert.Equal(0, WorkspaceUser.Of(workspace));
        await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Other), Token);
        await world.StartAsync(Runner, "echo more >> a/x && echo more >> b/y && echo mine", change: NoLimit);
        await world.EndedAsync(Runner);
        Assert.Equal("mine\n", world.Said(Runner));

        static void NoLimit(EnsureRunner order) => order.Profile.DiskMib = 0;
    }

    [Fact]
    public async Task Workspace_MadeWithoutALimit_NeverGetsOne()
    {
        await using var world = await WorldAsync();
        HostFolders.Make(world.Keeper.Folders.OfWorkspace(Runner, "ws_run_1"));

        var fault = await Assert.ThrowsAsync<HostFault>(() => world.StartAsync(Runner, "true"));

        Assert.Equal(FaultKind.Rejected, fault.Kind);
        Assert.Empty(world.Keeper.List());
    }

    [Fact]
    public async Task Workspaces_ThatAreForgotten_GoUnlessARunnerHasAPlaceOnThem()
    {
        await using var world = await WorldAsync();
        await world.StartAsync(Runner, "exit 0");
        await world.EndedAsync(Runner);
        await world.StartAsync(Other, "exit 0", change: order => order.Profile.DiskMib = 0);
        await world.EndedAsync(Other);
        string[] keys = ["acme/ws_run_1", "acme/ws_run_2", "acme/ws_none", "other/ws_none"];

        Assert.Equal(["acme/ws_run_1", "acme/ws_run_2"], await world.Keeper.ForgetWorkspacesAsync(keys, Token));
        Assert.NotEmpty(Directory.GetFileSystemEntries(Path.Combine(world.Keeper.Folders.Workspaces, "acme")));
        await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Runner), Token);
        Assert.Equal(["acme/ws_run_2"], await world.Keeper.ForgetWorkspacesAsync(keys, Token));
        await world.Keeper.ReleaseAsync(SandboxWorld.Ref(Other), Token);
        Assert.Empty(await world.Keeper.ForgetWorkspacesAsync(keys, Token));
        Assert.Empty(Directory.GetFileSystemEntries(world.Keeper.Folders.Workspaces));
        Assert.Empty(Directory.GetFileSystemEntries(world.Keeper.Folders.Gone));

        await world.StartAsync(Runner, "ls -A /workspace; echo anew");
        await world.EndedAsync(Runner);
        Assert.Equal("anew\n", world.Said(Runner));
        Assert.Equal(FaultKind.Rejected, (await Assert.ThrowsAsync<HostFault>(() => world.Keeper.ForgetWorkspacesAsync(["acme/../x"], Token))).Kind);
    }

    private static async Task<SandboxWorld> WorldAsync()
    {
        SandboxTests.Need();
        var world = new SandboxWorld();
        await world.RecoverAsync();
        return world;
    }

    private static RunnerRecord RecordOf(SandboxWorld world, string runner) => RunnerRecord.Load(world.Keeper.Folders.OfRunner(runner))!;

    private static bool TryMark(string file, string mark)
    {
        try
        {
            SystemProgram.Run(TimeSpan.FromSeconds(30), "chattr", mark, file);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
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
