using Marionette.Agent.Hosts.Sandboxes;

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

/// <summary>Tests that take minutes and a machine to themselves.</summary>
internal static class SandboxTests
{
    private static readonly bool Wanted = Environment.GetEnvironmentVariable("MARIONETTE_SANDBOX_TESTS") == "1";

    public static void Need(string kind = SandboxKinds.Bwrap)
    {
        Assert.SkipUnless(Wanted, "Real sandboxes and real abuse take minutes and a machine to themselves: MARIONETTE_SANDBOX_TESTS=1 runs them");
        Assert.SkipWhen(SandboxWorld.Hindrance is not null, SandboxWorld.Hindrance ?? "");
        Assert.SkipWhen(SystemProgram.Find(kind) is null, $"{kind} is not installed");
    }
}
