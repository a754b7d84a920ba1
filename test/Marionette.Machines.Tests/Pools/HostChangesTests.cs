using Marionette.Pools;
using Marionette.Runners;

namespace Marionette.Machines.Tests.Pools;

/// <summary>What an inventory means for a host's record, and what is kept of what a host says.</summary>
public sealed class HostChangesTests
{
    private const string Key = "acme/run_1";

    [Theory]
    // recorded: epoch, made, given up, releasing; there: epoch or 0; then: leftover, recorded, unseen
    [InlineData(0, false, false, false, 1, true, false, false)]
    [InlineData(2, true, false, false, 1, true, true, true)]
    [InlineData(1, true, false, false, 1, false, true, false)]
    [InlineData(1, false, false, false, 1, false, true, false)]
    [InlineData(1, true, true, false, 1, false, true, false)]
    [InlineData(1, true, true, true, 1, true, true, false)]
    [InlineData(1, true, false, true, 1, true, true, false)]
    [InlineData(1, true, false, true, 0, false, false, false)]
    [InlineData(1, true, false, false, 0, false, true, true)]
    [InlineData(1, false, false, false, 0, false, true, false)]
    [InlineData(1, true, true, false, 0, false, true, false)]
    public void AnInventory_IsCompared(long epoch, bool made, bool givenUp, bool releasing, long there, bool leftover, bool recorded, bool unseen)
    {
        var host = new HostRecord { Id = "host_1" };
        if (epoch > 0) host = host.With(Key, new HostRunnerRecord { Epoch = epoch, IsMade = made, IsGivenUp = givenUp, IsReleasing = releasing });
        var findings = HostChanges.Compare(host, there == 0 ? [] : [new HostRunnerView(Key, there, "running")]);
        Assert.Equal((leftover, recorded, unseen), (findings.Leftovers.Contains((Key, there)), findings.Next.Runners.ContainsKey(Key), findings.Unseen.Contains((Key, epoch))));
        // What is there and ours is held as such.
        if (there == epoch && !releasing) Assert.Equal((true, false), (findings.Next.Runners[Key].IsMade, findings.Next.Runners[Key].IsGivenUp));
    }

    [Fact]
    public void AStartUnderWay_IsNotMadeYet_AndNoLeftover()
    {
        var host = new HostRecord { Id = "host_1" }.With(Key, new HostRunnerRecord { Epoch = 1 });
        var findings = HostChanges.Compare(host, [new HostRunnerView(Key, 1, "ordered")]);
        Assert.False(findings.Next.Runners[Key].IsMade);
        Assert.Empty(findings.Leftovers);
    }

    [Theory]
    // failed, living, whether it is the host's fault
    [InlineData("a/1 a/2 a/3", "", false)]
    [InlineData("a/1 a/2 a/3 a/4 a/5", "", true)]
    [InlineData("a/1 a/2 a/3 a/4 a/5", "a/6", true)]
    [InlineData("a/1 a/2 a/3 a/4 a/5", "a/6 b/1", false)]
    [InlineData("a/1 a/2 a/3 a/4 b/5", "a/6 b/1", true)]
    public void Failures_OfOneTenantAlone_DoNotSpeakAgainstAHost_ThatServesAnotherWell(string failed, string living, bool does) =>
        Assert.Equal(does, HostChanges.SpeakAgainstHost(failed.Split(' '), living.Split(' ', StringSplitOptions.RemoveEmptyEntries), 4));

    [Fact]
    public void GivingUp_LetsNoUnfinishedStartGoOn()
    {
        var host = new HostRecord { Id = "host_1" }.With("acme/run_made", new HostRunnerRecord { Epoch = 1, IsMade = true }).With("acme/run_new", new HostRunnerRecord { Epoch = 1 });
        host = HostChanges.GiveUp(host);
        Assert.Equal(HostStatus.Lost, host.Status);
        Assert.False(host.Runners["acme/run_made"].IsReleasing);
        Assert.True(host.Runners["acme/run_new"].IsReleasing);
    }

    [Fact]
    public void Workspaces_AreRemembered_TheOldestGoFirst()
    {
        var host = new HostRecord { Id = "host_1" };
        for (var i = 0; i <= HostChanges.MaxWorkspaces; i++) host = HostChanges.Give(host, Order($"ws_{i}"));
        host = HostChanges.Give(host, Order("ws_7"));
        Assert.Equal(HostChanges.MaxWorkspaces, host.Workspaces.Length);
        Assert.DoesNotContain("ws_0", host.Workspaces);
        Assert.Equal("ws_7", host.Workspaces[^1]);
        Assert.Single(host.Workspaces, "ws_7");
    }

    [Fact]
    public void AFailedStart_BindsNoWorkspace_ThatHadNoFilesThere()
    {
        var host = HostChanges.Give(new HostRecord { Id = "host_1" }, Order("ws_1"));
        Assert.Empty(host.WithoutStart(Key).Workspaces);
        // What was made of them goes, so that it is not taken for the files later.
        Assert.Single(host.WithoutStart(Key).Outdated, "acme/ws_1");
        var again = HostChanges.Give(host.Without(Key), Order("ws_1"));
        Assert.Single(again.WithoutStart(Key).Workspaces, "ws_1");
        Assert.Empty(again.WithoutStart(Key).Outdated);
    }

    [Theory]
    [InlineData(0, "exited", 10, false)]
    [InlineData(75, "exited", 10, false)]
    [InlineData(1, "exited", 10, true)]
    [InlineData(1, "exited", 200, false)]
    [InlineData(137, "out_of_memory", 10, false)]
    [InlineData(139, "killed", 10, true)]
    public void ADeath_SpeaksAgainstTheHost_WhenItIsEarlyAndNotItsOwnWill(int code, string cause, int seconds, bool does) =>
        Assert.Equal(does, HostChanges.SpeaksAgainstHost(new HostRunnerView(Key, 1, "exited", code, cause), TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Facts_AreBounded_AndComparedByValue()
    {
        var facts = new HostFacts
        {
            Name = new string('x', 500), Cpus = double.NaN, MemoryMib = -1, Sandboxes = [new HostSandbox("runsc", true, "", ["cpu"], true, true)],
            Labels = new HostFacts().Labels.AddRange(Enumerable.Range(0, 200).Select(i => KeyValuePair.Create($"k{i}", "v"))),
        };
        var bounded = HostChanges.Bounded(facts);
        Assert.Equal((80, 0.0, 0L, 50), (bounded.Name.Length, bounded.Cpus, bounded.MemoryMib, bounded.Labels.Count));
        Assert.True(HostChanges.Same(bounded, HostChanges.Bounded(facts)));
        Assert.False(HostChanges.Same(bounded, bounded with { Sandboxes = [new HostSandbox("runsc", true, "", ["cpu", "pids"], true, true)] }));
        Assert.False(HostChanges.Same(bounded, bounded with { Labels = bounded.Labels.SetItem("k0", "w") }));
        Assert.False(HostChanges.Same(bounded, bounded with { BootId = "2" }));
    }

    private static EnsureRunnerOrder Order(string workspace) => new("ord_1", Key, 1, "t", workspace, new RunnerShape(), NetworkRules.Open);
}
