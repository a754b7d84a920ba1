using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Agent.Processes;
using Marionette.Hosts.Tests.Daemon.Support;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>The network helper, when it does not do what it should.</summary>
public sealed class NetdHostTests
{
    private const int SigStop = 19;

    [Fact]
    public async Task Helper_ThatHangs_IsReplaced()
    {
        SandboxTests.Need();
        using var folder = new TempFolder();
        var folders = new HostFolders(folder.Path);
        var cgroups = CgroupTree.Find(folders.Name);
        var (clock, log) = (new FakeTimeProvider(), new TextLog());
        await using var network = new NetdHost(folders, cgroups, () => SandboxWorld.Agent, () => [], _ => { }, clock, log);
        var list = new NetdAsk(0, "list");
        try
        {
            await network.AskAsync(list, SandboxWorld.Token);
            var helper = Mark();
            _ = Libc.Kill(helper.Pid, SigStop);

            var reaching = network.ReachAsync(SandboxWorld.Token);
            for (var began = TimeProvider.System.GetTimestamp(); helper.IsAlive(); await Task.Delay(10, SandboxWorld.Token))
            {
                Assert.True(TimeProvider.System.GetElapsedTime(began) < SandboxWorld.Patience, "the helper was not ended: " + log.Text);
                clock.Advance(TimeSpan.FromSeconds(20));
            }

            await reaching.WaitAsync(SandboxWorld.Patience, SandboxWorld.Token);
            Assert.NotEqual(helper, Mark());
            Assert.Contains("sandbox.network.replaced", log.Text, StringComparison.Ordinal);
        }
        finally
        {
            await network.EndAsync();
            await cgroups.RemoveEmptyAsync();
        }

        Assert.False(File.Exists(folder.At("netd.json")));

        ProcessMark Mark() => System.Text.Json.JsonSerializer.Deserialize(File.ReadAllBytes(folder.At("netd.json")), SandboxJsonContext.Default.ProcessMark)!;
    }
}
