using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Agent.Processes;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>A real sandbox, quickly: start, look, leave nothing.</summary>
public sealed class SmokeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Runner_StartedAndReleased_LeavesItsWorkspaceAlone()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();

        var report = await world.StartAsync("acme/run_1", "id -u; pwd; echo kept > /workspace/file; touch ~/a /tmp/b; hostname; echo up; exec sleep 600");

        Assert.Equal(RunnerState.Running, report.State);
        Assert.Equal("bwrap", report.Sandbox);
        await world.SaysAsync("acme/run_1", "up");
        Assert.StartsWith("1000\n/workspace\nacme.run_1\n", world.Said("acme/run_1"), StringComparison.Ordinal);
        Assert.All(world.ProcessesOf("acme/run_1"), process => Assert.True(process.User >= UserRange.First, process.ToString()));

        Assert.Equal(RunnerState.Missing, (await world.Keeper.ReleaseAsync(SandboxWorld.Ref("acme/run_1"), Token)).State);
        Assert.Empty(world.Left());

        await world.StartAsync("acme/run_2", "cat /workspace/file", change: order => order.Workspace = "ws_run_1");
        var ended = await world.EndedAsync("acme/run_2");
        Assert.Equal("kept\n", world.Said("acme/run_2"));
        Assert.Equal(("exited", 0), (ended.Cause, ended.ExitCode));
    }

    [Fact]
    public async Task Processes_ThatOutliveTheDaemon_HoldNothingThatWasOpenInIt()
    {
        SandboxTests.Need();
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder.At("open"), "", Token);
        // As a shell leaves one open for what it starts: without the mark that closes it.
        var descriptor = NetCalls.Open(folder.At("open"), 0);
        await using var world = new SandboxWorld();
        await world.RecoverAsync();

        await world.StartAsync("acme/run_1", "echo up; exec sleep 600");
        await world.SaysAsync("acme/run_1", "up");

        var groups = new[] { CgroupTree.Find(world.Keeper.Folders.Name).Open("keep"), world.GroupOf("acme/run_1") };
        var processes = groups.SelectMany(group => group.Processes()).ToList();
        Assert.Contains(world.Helper.Pid, processes);
        Assert.InRange(processes.Count, 3, 10); // the helper, the sandbox's first process, those inside
        foreach (var pid in processes)
            Assert.DoesNotContain(folder.At("open"), Directory.GetFiles($"/proc/{pid}/fd").Select(file => new FileInfo(file).LinkTarget));
        Assert.Contains(folder.At("open"), Directory.GetFiles("/proc/self/fd").Select(file => new FileInfo(file).LinkTarget));
        _ = Libc.Close(descriptor);
    }

    [Fact]
    public async Task Runner_OfADaemonThatWentAway_IsFoundByTheNext()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();
        await world.StartAsync("acme/run_1", "echo up; while [ ! -e /workspace/end ]; do sleep 0.1; done; exit 7");
        await world.SaysAsync("acme/run_1", "up");

        await world.RestartAsync();

        Assert.Equal(RunnerState.Running, Assert.Single(world.Keeper.List()).State);
        var again = await world.StartAsync("acme/run_1", "echo second; exec sleep 600");
        Assert.Equal(RunnerState.Running, again.State);
        Assert.DoesNotContain("second", world.Said("acme/run_1"), StringComparison.Ordinal);
        await world.Keeper.StopAsync(SandboxWorld.Ref("acme/run_1"), Token);
        Assert.Equal(RunnerState.Exited, Assert.Single(world.Keeper.List()).State);
        Assert.Equal(RunnerState.Running, (await world.StartAsync("acme/run_1", "echo second; exec sleep 600")).State);
        await world.SaysAsync("acme/run_1", "second");
    }
}
