using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Marionette.Agent.Tests.Egress.World;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress;

/// <summary>Attaching, changing, losing and ending, each test with a machine of its own.</summary>
public sealed class LifeTests : IAsyncLifetime
{
    private const string Good = "api.good.test";

    private readonly EgressWorld world = new();

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(EgressWorld.Hindrance is not null, EgressWorld.Hindrance ?? "");
        await world.InitializeAsync();
        world.Internet.Name(Good, TestInternet.Site);
    }

    public ValueTask DisposeAsync() => EgressWorld.Hindrance is null ? world.DisposeAsync() : ValueTask.CompletedTask;

    [Fact]
    public async Task LiveChange_CutsWhatIsNotAllowedAnyMore_AndKeepsTheRest()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var named = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
        using var address = await runner.ConnectAsync(TestInternet.OtherSite, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(named);
        await TestRunner.EchoesAsync(address);
        await world.Netd.PolicyAsync(runner.Key, EgressWorld.Policy("allow_list", Good));
        await Assert.ThrowsAsync<SocketException>(() => address.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        await TestRunner.EchoesAsync(named, "still here");
        await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.OtherSite, TestInternet.EchoPort));
        await world.Netd.PolicyAsync(runner.Key, EgressWorld.Policy("deny"));
        await Assert.ThrowsAsync<SocketException>(() => named.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        await world.Netd.PolicyAsync(runner.Key, EgressWorld.Policy("deny", TestInternet.OtherSite));
        using var again = await runner.ConnectAsync(TestInternet.OtherSite, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(again);
    }

    [Fact]
    public async Task NetdKilled_RunnerHasNoNetwork_UntilItIsAttachedAgain()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var standing = await runner.ConnectAsync(TestInternet.Site, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(standing);
        await world.Netd.KillAsync();
        await Eventually.TrueAsync(() => !Links(runner).Contains("eth0", StringComparison.Ordinal));
        await Assert.ThrowsAnyAsync<SocketException>(() => runner.ConnectAsync(TestInternet.Site, TestInternet.EchoPort));
        await world.RestartNetdAsync();
        var answer = await world.Netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("open"));
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(socket);
    }

    [Fact]
    public async Task NetdKilled_UdpGoesOnWithTheSameSocket_OnceItIsAttachedAgain()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = runner.NewSocket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        var target = new IPEndPoint(IPAddress.Parse(TestInternet.Site), TestInternet.EchoPort);
        async Task EchoesAsync()
        {
            await socket.SendToAsync("hello"u8.ToArray(), target);
            var answer = await socket.ReceiveFromAsync(new byte[10], new IPEndPoint(IPAddress.Any, 0)).WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal((5, target), (answer.ReceivedBytes, (IPEndPoint)answer.RemoteEndPoint));
        }

        await EchoesAsync();
        await world.Netd.KillAsync();
        await Eventually.TrueAsync(() => !Links(runner).Contains("eth0", StringComparison.Ordinal));
        await Assert.ThrowsAsync<SocketException>(() => socket.SendToAsync("lost"u8.ToArray(), target));
        await world.RestartNetdAsync();
        var answer = await world.Netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("open"));
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        await EchoesAsync();
    }

    [Fact]
    public async Task Attach_Again_KeepsTheLinkAndItsConnections_AndTakesThePolicy()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var standing = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(standing);
        var answer = await world.Netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("allow_list", Good));
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        await TestRunner.EchoesAsync(standing, "unbroken");
        await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.Site, TestInternet.EchoPort));
        using var next = await TestRunner.StartAsync();
        answer = await world.Netd.AttachAsync(runner.Key, next.Pid, EgressWorld.Policy("open"));
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        Assert.DoesNotContain("eth0", Links(runner), StringComparison.Ordinal);
        using var socket = await next.ConnectByNameAsync(Good, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(socket);
    }

    [Fact]
    public async Task Detach_TakesTheNetworkAway_AndIsDoneTwice()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        for (var i = 0; i < 2; i++)
        {
            var answer = await world.Netd.AskAsync(new JsonObject { ["op"] = "detach", ["key"] = runner.Key });
            Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        }

        Assert.DoesNotContain("eth0", Links(runner), StringComparison.Ordinal);
        Assert.Empty((await world.Netd.AskAsync(new JsonObject { ["op"] = "list" }))["keys"]!.AsArray());
    }

    [Fact]
    public async Task RunnerThatEnds_IsForgotten_AndTold()
    {
        var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        Assert.Single((await world.Netd.AskAsync(new JsonObject { ["op"] = "list" }))["keys"]!.AsArray());
        runner.Dispose();
        await Eventually.TrueAsync(() => world.Netd.Notices.Any(n => (string?)n["notice"] == "gone" && (string?)n["key"] == runner.Key));
        Assert.Empty((await world.Netd.AskAsync(new JsonObject { ["op"] = "list" }))["keys"]!.AsArray());
    }

    [Fact]
    public async Task NamespaceWithAWayOut_OrOfTheMachine_IsNotTaken()
    {
        using var runner = await TestRunner.StartAsync();
        const string script = "ip link add other0 type veth peer name other1; ip link set other0 up; ip link set other1 up";
        using (var adding = runner.Exec("sh", "-ec", script))
            await adding.WaitForExitAsync();
        var answer = await world.Netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("open"));
        Assert.False((bool)answer["ok"]!);
        Assert.Contains("other", (string)answer["error"]!, StringComparison.Ordinal);
        Assert.DoesNotContain("eth0", Links(runner), StringComparison.Ordinal);
        answer = await world.Netd.AttachAsync("acme/run_host", world.Netd.Pid, EgressWorld.Policy("open"));
        Assert.False((bool)answer["ok"]!, answer.ToJsonString());
        Assert.Contains("own network", (string)answer["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NamespaceWithIPv6SwitchedOff_HasItOnItsLink()
    {
        using var runner = await TestRunner.StartAsync();
        using (var off = runner.Exec("sh", "-ec", "for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done"))
        {
            await off.WaitForExitAsync();
            Assert.Equal(0, off.ExitCode);
        }

        var answer = await world.Netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("allow_list", Good));
        Assert.True((bool)answer["ok"]!, answer.ToJsonString());
        foreach (var family in new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 })
        {
            using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort, family);
            await TestRunner.EchoesAsync(socket);
        }
    }

    [Fact]
    public async Task NamespaceOfAnotherRunner_IsNotTaken()
    {
        using var runner = await world.RunnerAsync(EgressWorld.Policy("deny"));
        var answer = await world.Netd.AttachAsync("acme/run_thief", runner.Pid, EgressWorld.Policy("open"));
        Assert.False((bool)answer["ok"]!);
        Assert.Contains(runner.Key, (string)answer["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flood_IsBounded_AndOthersGoOn()
    {
        using var greedy = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var other = await world.RunnerAsync(EgressWorld.Policy("open"));
        var limit = Limit();
        var sockets = new List<Socket>();
        try
        {
            while (sockets.Count < limit)
                sockets.Add(await greedy.ConnectAsync(TestInternet.Site, TestInternet.EchoPort));
            for (var i = 0; i < 20; i++)
                await TestRunner.IsCutAsync(greedy.ConnectAsync(TestInternet.Site, TestInternet.EchoPort));
            var notice = await world.Netd.BlockedAsync(greedy.Key, TestInternet.Site, TestInternet.EchoPort);
            Assert.Equal("limit", (string?)notice["reason"]);
            using var fine = await other.ConnectByNameAsync(Good, TestInternet.EchoPort);
            await TestRunner.EchoesAsync(fine);
            await TestRunner.EchoesAsync(sockets[0]);
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        await Eventually.TrueAsync(() => Descriptors(world.Netd.Pid) < 300);
        using var after = await greedy.ConnectAsync(TestInternet.Site, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(after);
    }

    [Fact]
    public async Task FloodOfNamesAndPackets_LeavesOthersInPeace()
    {
        using var greedy = await world.RunnerAsync(EgressWorld.Policy("deny"));
        using var other = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var sender = greedy.NewSocket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        sender.Blocking = false;
        using var stop = new CancellationTokenSource();
        var server = IPAddress.Parse(TestInternet.NameServer);
        var flooding = Task.Run(() =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                try
                {
                    var port = i % 2 == 0 ? 53 : 5000 + (i % 1000);
                    sender.SendTo(TestRunner.Query($"n{i}.flood.test", 1), new IPEndPoint(server, port));
                }
                catch (SocketException)
                {
                    // No room, or the last one was refused: it goes on.
                }
            }
        });
        for (var i = 0; i < 20; i++)
        {
            using var socket = await other.ConnectByNameAsync(Good, TestInternet.EchoPort);
            await TestRunner.EchoesAsync(socket);
        }

        await stop.CancelAsync();
        await flooding;
        Assert.InRange(world.Netd.Notices.Count(notice => (string?)notice["key"] == greedy.Key), 1, 1000);
        Assert.DoesNotContain(world.Internet.Questions, question => question.EndsWith("flood.test", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ManyAtOnce_AreAllAttached()
    {
        const int count = 20;
        var runners = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => TestRunner.StartAsync()));
        try
        {
            var policy = EgressWorld.Policy("open");
            var answers = await Task.WhenAll(runners.Select(runner => world.Netd.AttachAsync(runner.Key, runner.Pid, policy)));
            Assert.All(answers, answer => Assert.True((bool)answer["ok"]!, answer.ToJsonString()));
            await Task.WhenAll(runners.Select(async runner =>
            {
                using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
                await TestRunner.EchoesAsync(socket);
            }));
        }
        finally
        {
            foreach (var runner in runners)
                runner.Dispose();
        }
    }

    private static string Links(TestRunner runner)
    {
        using var program = runner.Exec("cat", "/proc/net/dev");
        return program.StandardOutput.ReadToEnd();
    }

    private static int Descriptors(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    // netd says it at its start: "netd 0.1.0, pid 1, 4096 connections a runner".
    private int Limit() => int.Parse(world.Netd.Log.Split(" connections a runner")[0].Split(' ')[^1]);
}
