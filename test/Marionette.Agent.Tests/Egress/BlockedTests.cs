using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Tests.Egress.World;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress;

/// <summary>What a runner does not reach, by any way, and how it is told.</summary>
public sealed class BlockedTests(EgressWorld world) : IClassFixture<EgressWorld>
{
    [Fact]
    public async Task DeniedName_IsCutAtOnce_ToldWithItsPort_AndNeverAskedUpstream()
    {
        Need();
        world.Internet.Name("secret.exfil.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "api.good.test"));
        await TestRunner.IsCutAsync(runner.ConnectByNameAsync("secret.exfil.test", TestInternet.EchoPort));
        var notice = await world.Netd.BlockedAsync(runner.Key, "secret.exfil.test", TestInternet.EchoPort);
        Assert.Equal("not_listed", (string?)notice["reason"]);
        Assert.Equal(1, (int?)notice["count"]);
        Assert.DoesNotContain(world.Internet.Questions, question => question.EndsWith("exfil.test", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AddressItself_IsNotReached_WhenOnlyItsNameIsListed()
    {
        Need();
        world.Internet.Name("api.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "api.good.test"));
        await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.Site, TestInternet.EchoPort));
        await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.SiteV6, TestInternet.EchoPort));
        await world.Netd.BlockedAsync(runner.Key, TestInternet.Site, TestInternet.EchoPort);
        await world.Netd.BlockedAsync(runner.Key, TestInternet.SiteV6, TestInternet.EchoPort);
    }

    [Theory]
    [InlineData(TestInternet.PrivateHost, "private")]
    [InlineData(TestInternet.Metadata, "metadata")]
    [InlineData(EgressWorld.MachineAddress, "private")]
    [InlineData("10.200.0.1", "private")]
    [InlineData("64:ff9b::a9fe:a9fe", "metadata")]
    [InlineData("2002:a63:5::1", "private")]
    [InlineData("fd99::2", "private")]
    public async Task OpenMode_StillRefuses(string address, string reason)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open", "0.0.0.0/0", "::/0"));
        await TestRunner.IsCutAsync(runner.ConnectAsync(address, TestInternet.EchoPort));
        var notice = await world.Netd.BlockedAsync(runner.Key, address, TestInternet.EchoPort);
        Assert.Equal(reason, (string?)notice["reason"]);
    }

    [Fact]
    public async Task AllowedName_WithAForbiddenAddress_IsRefused_AndTheAllowedAddressIsTaken()
    {
        Need();
        world.Internet.Name("rebound.good.test", TestInternet.Metadata);
        world.Internet.Name("mixed.good.test", TestInternet.PrivateHost, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "*.good.test"));
        await TestRunner.IsCutAsync(runner.ConnectByNameAsync("rebound.good.test", TestInternet.EchoPort));
        var notice = await world.Netd.BlockedAsync(runner.Key, "rebound.good.test", TestInternet.EchoPort);
        Assert.Equal("metadata", (string?)notice["reason"]);
        while (world.Internet.Arrivals.TryDequeue(out _))
        {
        }

        using var mixed = await runner.ConnectByNameAsync("mixed.good.test", TestInternet.EchoPort);
        await TestRunner.EchoesAsync(mixed);
        Assert.Contains(world.Internet.Arrivals, arrival => arrival.Address.MapToIPv4().ToString() == TestInternet.Site);
        Assert.DoesNotContain(world.Internet.Arrivals, arrival => arrival.Address.MapToIPv4().ToString() == TestInternet.PrivateHost);
    }

    [Theory]
    [InlineData(TestInternet.Site, 123, "allow_list", "not_listed")]
    [InlineData(TestInternet.SiteV6, 443, "allow_list", "not_listed")]
    [InlineData(TestInternet.Site, 443, "deny", "not_listed")]
    [InlineData(TestInternet.PrivateHost, 123, "open", "private")]
    [InlineData(TestInternet.Metadata, 80, "open", "metadata")]
    public async Task Udp_OfWhatIsNotAllowed_GoesNowhere_FailsAtOnce_AndIsTold(string address, int port, string mode, string reason)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy(mode));
        var target = new IPEndPoint(IPAddress.Parse(address), port);
        using var arrived = world.Internet.Space.Run(() =>
        {
            var socket = new Socket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(target);
            return socket;
        });
        using var sender = runner.NewSocket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await sender.ConnectAsync(target);
        await sender.SendAsync("out"u8.ToArray());
        await Assert.ThrowsAsync<SocketException>(() => sender.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        var notice = await world.Netd.BlockedAsync(runner.Key, address, port, "udp");
        Assert.Equal(reason, (string?)notice["reason"]);
        Assert.Equal(0, arrived.Available);
    }

    [Fact]
    public async Task Udp_ToAName_IsToldByItsName()
    {
        Need();
        world.Internet.Name("time.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "time.good.test"));
        var address = Assert.Single((await runner.LookupAsync("time.good.test")).Addresses);
        using var sender = runner.NewSocket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await sender.SendToAsync("out"u8.ToArray(), new IPEndPoint(address, 123));
        Assert.Equal("protocol", (string?)(await world.Netd.BlockedAsync(runner.Key, "time.good.test", 123, "udp"))["reason"]);
    }

    [Theory]
    [InlineData(TestInternet.Site, ProtocolType.Icmp, "icmp")]
    [InlineData(TestInternet.SiteV6, ProtocolType.IcmpV6, "icmp")]
    [InlineData(TestInternet.Site, (ProtocolType)132, "other")]
    public async Task OtherProtocols_GoNowhere_AndAreTold(string address, ProtocolType protocol, string shown)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        var target = IPAddress.Parse(address);
        using var sender = shown == "other" ? runner.NewRawSocket((int)protocol)
            : runner.NewSocket(target.AddressFamily, SocketType.Raw, protocol);
        byte type = protocol == ProtocolType.IcmpV6 ? (byte)128 : (byte)8;
        await sender.SendToAsync(new byte[] { type, 0, 0xf7, 0xff, 0, 0, 0, 0 }, new IPEndPoint(target, 0));
        Assert.Equal("protocol", (string?)(await world.Netd.BlockedAsync(runner.Key, address, 0, shown))["reason"]);
    }

    [Theory]
    [InlineData(TestInternet.NameServer)]
    [InlineData("2001:4860:4860::8888")]
    public async Task NameServerOfTheRunnersChoice_IsAnsweredByUs(string server)
    {
        Need();
        world.Internet.Name("direct.exfil.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "api.good.test"));
        var answer = await runner.AskAsync(TestRunner.Query("direct.exfil.test", 1), 1, server);
        Assert.StartsWith("198.1", Assert.Single(answer.Addresses).ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(world.Internet.Questions, question => question.EndsWith("direct.exfil.test", StringComparison.Ordinal));
    }

    [Fact]
    public async Task NamesOverTcp_AreAnsweredByUs()
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "api.good.test"));
        using var socket = await runner.ConnectAsync(TestInternet.NameServer, 53);
        var query = TestRunner.Query("tcp.exfil.test", 28);
        for (var round = 0; round < 2; round++)
        {
            await socket.SendAsync(new byte[] { 0, (byte)query.Length });
            await socket.SendAsync(query);
            var stream = new NetworkStream(socket);
            var head = new byte[2];
            await stream.ReadExactlyAsync(head).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
            await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            var address = Assert.Single(DnsAnswer.Parse(answer, 28, out _)!.Addresses);
            Assert.StartsWith("fd6d:6172:696f:1:", address.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Questions_AreAnsweredByTheirKind()
    {
        Need();
        world.Internet.Name("kinds.good.test", TestInternet.Site);
        world.Internet.Name("kinds.exfil.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "*.good.test"));
        async Task<int> Code(string name, int type) => (await runner.AskAsync(TestRunner.Query(name, type), type, "10.200.0.1")).Code;
        Assert.Equal(3, await Code("missing.good.test", 1));
        Assert.Equal(0, await Code("missing.exfil.test", 1));
        Assert.Equal(0, await Code("kinds.good.test", 16));
        Assert.Equal(0, await Code("kinds.good.test", 65));
        Assert.Equal(0, await Code("kinds.exfil.test", 16));
        Assert.Equal(3, await Code("not a name.good.test", 1));
        await world.Netd.BlockedAsync(runner.Key, "kinds.exfil.test", 53, "dns");
        await world.Netd.BlockedAsync(runner.Key, "not?a?name.good.test", 53, "dns");
        Assert.Contains("16 kinds.good.test", world.Internet.Questions);
        Assert.DoesNotContain("65 kinds.good.test", world.Internet.Questions);
        Assert.DoesNotContain(world.Internet.Questions, question => question.EndsWith("kinds.exfil.test", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AddressOfNoName_IsRefused_AlsoWhenItsNetworkIsListed()
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "198.18.0.0/15"));
        await TestRunner.IsCutAsync(runner.ConnectAsync("198.18.77.77", TestInternet.EchoPort));
        await world.Netd.BlockedAsync(runner.Key, "198.18.77.77", TestInternet.EchoPort);
    }

    [Fact]
    public async Task LoopOfAttempts_GivesFewNotices_AndLosesNoCount()
    {
        Need();
        const int attempts = 300;
        using var runner = await world.RunnerAsync(EgressWorld.Policy("deny"));
        for (var i = 0; i < attempts; i++)
            await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.Site, 4711));
        List<JsonObject> Told() => [.. world.Netd.Notices.Where(notice => (string?)notice["key"] == runner.Key)];
        await Eventually.TrueAsync(() => Told().Sum(notice => (int)notice["count"]!) == attempts);
        Assert.InRange(Told().Count, 1, 10);
    }

    [Fact]
    public async Task ManyTargets_GiveABoundedNumberOfNotices()
    {
        Need();
        const int targets = 400;
        using var runner = await world.RunnerAsync(EgressWorld.Policy("deny"));
        for (var i = 0; i < targets; i++)
            await TestRunner.IsCutAsync(runner.ConnectAsync(TestInternet.Site, 10_000 + i));
        List<JsonObject> Told() => [.. world.Netd.Notices.Where(notice => (string?)notice["key"] == runner.Key)];
        await Eventually.TrueAsync(() => Told().Sum(notice => (int)notice["count"]!) == targets);
        Assert.Contains(Told(), notice => (string?)notice["reason"] == "others" && (int)notice["count"]! > 1);
        Assert.InRange(Told().Count, 1, 200);
    }

    private static void Need() => Assert.SkipWhen(EgressWorld.Hindrance is not null, EgressWorld.Hindrance ?? "");
}
