using System.Net;
using System.Net.Sockets;
using System.Text;
using Marionette.Agent.Egress.Relay;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Protocol.Hosts.V1;
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

    [Theory, InlineData(false), InlineData(true)]
    public async Task Probe_SeesAnotherAddressOfTheMachine_WhereTheRulesLetItThrough(bool isListed)
    {
        SandboxTests.Need();
        var own = OwnAddresses.Outside();
        Assert.SkipWhen(own is null, "this machine has its loopback alone");
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(own!, 0));
        server.Listen();
        var greeting = GreetAsync();
        await using var world = new SandboxWorld();
        await world.RecoverAsync();

        await world.StartAsync(
            "acme/run_1", $"/opt/marionette/bin/marionette-agent sandbox-probe look /nowhere 1 {server.LocalEndPoint}",
            change: order => order.Egress = new EgressRules { Mode = "allow_list", Allowed = { isListed ? $"{own}" : "192.0.2.99" } });
        await world.EndedAsync("acme/run_1");

        output.WriteLine(world.Said("acme/run_1"));
        Assert.Contains(isListed ? "outside=yes" : "outside=no", world.Said("acme/run_1"), StringComparison.Ordinal);
        Assert.False(greeting.IsFaulted);

        async Task GreetAsync()
        {
            try
            {
                using var client = await server.AcceptAsync(SandboxWorld.Token);
                await client.SendAsync(Encoding.ASCII.GetBytes(SandboxCheck.Greeting), SandboxWorld.Token);
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
                // Nobody came.
            }
        }
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
