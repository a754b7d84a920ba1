using Marionette.Agent.Hosts.Sandboxes;
using Marionette.TestEngine;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What this machine's sandboxes give, found out by trying.</summary>
public sealed class CheckTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Check_OfThisMachine_FindsWhatHoldsAndLeavesNothing()
    {
        SandboxTests.Need();
        await using var world = new SandboxWorld();
        await world.RecoverAsync(check: false);

        var began = Environment.TickCount64;
        var facts = await world.Keeper.CheckAsync(SandboxWorld.Token);

        output.WriteLine($"{Environment.TickCount64 - began} ms");
        foreach (var fact in facts)
            output.WriteLine(fact.ToString());
        Assert.All(facts.Where(fact => fact.Detail.EndsWith("not installed", StringComparison.Ordinal) is false), fact =>
        {
            Assert.True(fact.Works && fact.Egress && fact.Pause, fact.ToString());
            Assert.Equal(["cpu", "memory", "disk", "pids"], fact.Limits);
        });
        Assert.Empty(world.Left());
        Assert.Empty(Directory.GetDirectories(world.Keeper.Folders.Workspaces));
        await world.RestartAsync();
        Assert.Equal(facts, await world.Keeper.CheckAsync(SandboxWorld.Token));
    }
}

/// <summary>What tests of real sandboxes need of the machine.</summary>
internal static class SandboxTests
{
    public static void Need(string kind = SandboxKinds.Bwrap)
    {
        var hindrance = MachineTrial.OfSandboxes(kind);
        Assert.SkipWhen(hindrance is not null, hindrance ?? "");
    }
}
