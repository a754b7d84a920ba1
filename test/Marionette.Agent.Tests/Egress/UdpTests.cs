using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Tests.Egress.World;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress;

/// <summary>What of a runner's UDP is carried, and what it is told of the rest.</summary>
public sealed class UdpTests(EgressWorld world) : IClassFixture<EgressWorld>
{
    private const string Good = "time.good.test";

    private static readonly byte[] QuicOpening = [0xc0, 0, 0, 0, 1, .. new byte[1195]];

    [Theory]
    [InlineData(TestInternet.Site)]
    [InlineData(TestInternet.SiteV6)]
    public async Task Datagrams_OfEverySize_ComeBackWhole(string address)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = runner.Datagram(address, TestInternet.EchoPort);
        foreach (var size in new[] { 1, 0, 1200, 60_000, 65_507, 2 })
            await TestRunner.EchoesAsync(socket, Random(size));
        Assert.DoesNotContain(world.Netd.Notices, notice => (string?)notice["key"] == runner.Key);
    }

    [Theory]
    [InlineData("open", AddressFamily.InterNetwork)]
    [InlineData("open", AddressFamily.InterNetworkV6)]
    [InlineData("allow_list", AddressFamily.InterNetwork)]
    [InlineData("allow_list", AddressFamily.InterNetworkV6)]
    public async Task Name_IsReached_WhereItsPortIsListed(string mode, AddressFamily family)
    {
        Need();
        world.Internet.Name(Good, TestInternet.OtherSite);
        using var runner = await world.RunnerAsync(EgressWorld.Policy(mode, $"*.good.test:{TestInternet.EchoPort}"));
        using var socket = await runner.DatagramByNameAsync(Good, TestInternet.EchoPort, family);
        await TestRunner.EchoesAsync(socket, Random(100));
    }

    [Fact]
    public async Task ListedAddressesAndNetworks_AreReached_PrivateOnesToo()
    {
        Need();
        using var runner = await world.RunnerAsync(
            EgressWorld.Policy("allow_list", $"{TestInternet.Site}:7000", "10.99.0.0/16", $"[{TestInternet.SiteV6}]:7000"));
        foreach (var address in new[] { TestInternet.Site, TestInternet.PrivateHost, TestInternet.SiteV6 })
        {
            using var socket = runner.Datagram(address, TestInternet.EchoPort);
            await TestRunner.EchoesAsync(socket, Random(100));
        }
    }

    [Theory]
    [InlineData("192.0.2.7")]
    [InlineData(EgressWorld.MachineAddress)]
    [InlineData("10.200.0.1")]
    [InlineData("2002:a63:5::1")]
    [InlineData("fd99::2")]
    public async Task PrivateAddresses_AreRefused_AlsoWhenAllIsOpen(string address)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open", "0.0.0.0/0", "::/0"));
        using var socket = runner.Datagram(address, TestInternet.EchoPort);
        await TestRunner.IsRefusedAsync(socket, Random(8));
        Assert.Equal("private", (string?)(await world.Netd.BlockedAsync(runner.Key, address, TestInternet.EchoPort, "udp"))["reason"]);
    }

    [Fact]
    public async Task Name_WithAPrivateAddress_IsRefused()
    {
        Need();
        world.Internet.Name("rebound.good.test", TestInternet.Metadata);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = await runner.DatagramByNameAsync("rebound.good.test", TestInternet.EchoPort);
        await TestRunner.IsRefusedAsync(socket, Random(8));
        var notice = await world.Netd.BlockedAsync(runner.Key, "rebound.good.test", TestInternet.EchoPort, "udp");
        Assert.Equal("metadata", (string?)notice["reason"]);
    }

    [Theory]
    [InlineData("web.good.test", 443)]
    [InlineData("web.good.test:443", 443)]
    [InlineData("web.good.test", TestInternet.EchoPort)]
    public async Task Name_WithoutItsPortListed_OrAtThatOfHttps_IsReachedByTcpAlone(string entry, int port)
    {
        Need();
        world.Internet.Name("web.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", entry));
        using var socket = await runner.DatagramByNameAsync("web.good.test", port);
        await TestRunner.IsRefusedAsync(socket, Random(8));
        Assert.Equal("protocol", (string?)(await world.Netd.BlockedAsync(runner.Key, "web.good.test", port, "udp"))["reason"]);
        using var tcp = await runner.ConnectByNameAsync("web.good.test", port);
    }

    [Fact]
    public async Task Quic_ToAListedName_IsRefused_ToAListedAddress_Passes()
    {
        Need();
        world.Internet.Name("quic.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "quic.good.test:7000", TestInternet.OtherSite));
        using var named = await runner.DatagramByNameAsync("quic.good.test", TestInternet.EchoPort);
        await TestRunner.EchoesAsync(named, Random(1200, first: 0x40));
        // Other tests send openings, too: this one has an id of its own.
        byte[] opening = [.. QuicOpening];
        "not this"u8.CopyTo(opening.AsSpan(6));
        await TestRunner.IsRefusedAsync(named, opening);
        Assert.Equal("protocol", (string?)(await world.Netd.BlockedAsync(runner.Key, "quic.good.test", TestInternet.EchoPort, "udp"))["reason"]);
        Assert.DoesNotContain(world.Internet.Datagrams, datagram => datagram.Head.AsSpan().IndexOf("not this"u8) >= 0);
        using var address = runner.Datagram(TestInternet.OtherSite, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(address, QuicOpening);
    }

    [Fact]
    public async Task ManyFlowsAtOnce_AreKeptApart()
    {
        Need();
        world.Internet.Name("many.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        var name = Assert.Single((await runner.LookupAsync("many.good.test")).Addresses);
        IPAddress[] targets = [IPAddress.Parse(TestInternet.Site), IPAddress.Parse(TestInternet.SiteV6), name];
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
        {
            using var socket = runner.Datagram(targets[i % targets.Length], TestInternet.EchoPort);
            for (var round = 0; round < 10; round++)
                await TestRunner.EchoesAsync(socket, [(byte)i, (byte)round, .. Random(200)]);
        }));
    }

    [Fact]
    public async Task OneSocket_ThatSpeaksToSeveral_HearsEachFromItsAddress()
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = runner.NewSocket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        foreach (var address in new[] { TestInternet.Site, TestInternet.OtherSite, TestInternet.Site })
        {
            var target = new IPEndPoint(IPAddress.Parse(address), TestInternet.EchoPort);
            await socket.SendToAsync(Random(9), target);
            var answer = await socket.ReceiveFromAsync(new byte[100], new IPEndPoint(IPAddress.Any, 0)).WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal(target, answer.RemoteEndPoint);
        }
    }

    [Theory]
    [InlineData(TestInternet.Site)]
    [InlineData(TestInternet.SiteV6)]
    public async Task PortWhereNobodyListens_IsTold(string address)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = runner.Datagram(address, 7999);
        await TestRunner.IsRefusedAsync(socket, Random(8), SocketError.ConnectionRefused);
        Assert.DoesNotContain(world.Netd.Notices, notice => (string?)notice["key"] == runner.Key);
    }

    [Theory]
    [InlineData("93.184.216.1", SocketError.NetworkUnreachable)]
    [InlineData("2606:2800:ffff::1", SocketError.AccessDenied)]
    public async Task TargetWithoutAWay_IsTold(string address, SocketError error)
    {
        Need();
        EgressWorld.In(world.Machine, $"ip route replace unreachable {address}");
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = runner.Datagram(address, TestInternet.EchoPort);
        await TestRunner.IsRefusedAsync(socket, Random(8), error);
        Assert.DoesNotContain(world.Netd.Notices, notice => (string?)notice["key"] == runner.Key);
    }

    [Fact]
    public async Task DatagramThatTheOtherFamilyCannotHold_IsRefused_AndTheFlowGoesOn()
    {
        Need();
        world.Internet.Name("four.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var socket = await runner.DatagramByNameAsync("four.good.test", TestInternet.EchoPort, AddressFamily.InterNetworkV6);
        await TestRunner.IsRefusedAsync(socket, Random(65_527), SocketError.AccessDenied);
        await TestRunner.EchoesAsync(socket, Random(65_507));
    }

    [Fact]
    public async Task AnswerThatNobodyWaitsFor_EndsTheFlow_AndIsNoDenial()
    {
        Need();
        using var server = world.Internet.Datagram(TestInternet.Site, 7002);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        var socket = runner.Datagram(TestInternet.Site, 7002);
        await socket.SendAsync(Random(5));
        var asker = (await server.ReceiveFromAsync(new byte[10], new IPEndPoint(IPAddress.Any, 0)).WaitAsync(TimeSpan.FromSeconds(10))).RemoteEndPoint;
        socket.Dispose();
        server.Connect(asker);
        // The first answer finds nobody; the flow's outer port is closed then, and the server is told so.
        await Eventually.TrueAsync(() =>
        {
            try
            {
                server.Send(Random(5));
                if (server.Poll(50_000, SelectMode.SelectRead))
                    server.Receive(new byte[10]);
                return false;
            }
            catch (SocketException exception)
            {
                return exception.SocketErrorCode == SocketError.ConnectionRefused;
            }
        });
        using var denied = runner.Datagram(TestInternet.PrivateHost, 1);
        await TestRunner.IsRefusedAsync(denied, Random(1));
        await world.Netd.BlockedAsync(runner.Key, TestInternet.PrivateHost, 1, "udp");
        Assert.Single(world.Netd.Notices, notice => (string?)notice["key"] == runner.Key);
    }

    [Fact]
    public async Task PolicyChange_CutsARunningFlow_AndTells_AndKeepsTheOthers()
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var cut = runner.Datagram(TestInternet.Site, TestInternet.EchoPort);
        using var kept = runner.Datagram(TestInternet.OtherSite, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(cut, Random(8));
        await TestRunner.EchoesAsync(kept, Random(8));
        var outer = world.Internet.Datagrams.Last(datagram => datagram.To == TestInternet.OtherSite).From;
        var waiting = cut.ReceiveAsync(new byte[1]);
        await world.Netd.PolicyAsync(runner.Key, EgressWorld.Policy("allow_list", TestInternet.OtherSite));
        var failure = await Assert.ThrowsAsync<SocketException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.Equal(SocketError.HostUnreachable, failure.SocketErrorCode);
        await TestRunner.IsRefusedAsync(cut, Random(8));
        await world.Netd.BlockedAsync(runner.Key, TestInternet.Site, TestInternet.EchoPort, "udp");
        await TestRunner.EchoesAsync(kept, Random(8));
        Assert.Equal(outer, world.Internet.Datagrams.Last(datagram => datagram.To == TestInternet.OtherSite).From);
    }

    [Fact]
    public async Task QuicOfBefore_IsCut_WhenNamesBeginToCount()
    {
        Need();
        world.Internet.Name("before.good.test", TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var quic = await runner.DatagramByNameAsync("before.good.test", TestInternet.EchoPort);
        using var other = await runner.DatagramByNameAsync("before.good.test", TestInternet.EchoPort);
        await TestRunner.EchoesAsync(quic, QuicOpening);
        await TestRunner.EchoesAsync(other, Random(8));
        var waiting = quic.ReceiveAsync(new byte[1]);
        await world.Netd.PolicyAsync(runner.Key, EgressWorld.Policy("allow_list", "before.good.test:7000"));
        await Assert.ThrowsAsync<SocketException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(10)));
        await TestRunner.EchoesAsync(other, Random(8));
    }

    [Theory]
    [InlineData("239.1.1.1", "protocol")]
    [InlineData("ff0e::1", "protocol")]
    [InlineData("255.255.255.255", "private")]
    [InlineData("10.200.0.3", "private")]
    public async Task GroupsAndBroadcasts_AreNotReached_AndTold(string address, string reason)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open", "0.0.0.0/0", "::/0"));
        var target = IPAddress.Parse(address);
        using var socket = runner.NewSocket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.EnableBroadcast = true;
        await socket.SendToAsync(Random(8), new IPEndPoint(target, 5000));
        Assert.Equal(reason, (string?)(await world.Netd.BlockedAsync(runner.Key, address, 5000, "udp"))["reason"]);
    }

    // Of IPv4 the kernel drops such a sender by itself; of IPv6 it does not.
    [Theory]
    [InlineData("10.200.0.2", TestInternet.OtherSite, TestInternet.Site)]
    [InlineData("fd6d:6172:696f::2", "2606:2800:21f:cb07::77", TestInternet.SiteV6)]
    public async Task SenderWithAnotherAddress_IsNotHeard(string own, string another, string site)
    {
        Need();
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        var target = new IPEndPoint(IPAddress.Parse(site), TestInternet.EchoPort);
        var isV4 = target.AddressFamily == AddressFamily.InterNetwork;
        string[] adding = ["ip", "addr", "add", another + (isV4 ? "/32" : "/128"), "dev", "eth0", .. isV4 ? Array.Empty<string>() : ["nodad"]];
        using (var added = runner.Exec(adding))
            await added.WaitForExitAsync();
        using var other = runner.NewSocket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        other.Bind(new IPEndPoint(IPAddress.Parse(another), 7000));
        byte[] lie = [.. "not from here"u8];
        await other.SendToAsync(lie, target);
        using var honest = runner.NewSocket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        honest.Bind(new IPEndPoint(IPAddress.Parse(own), 0));
        await honest.ConnectAsync(target);
        await TestRunner.EchoesAsync(honest, Random(8));
        Assert.DoesNotContain(world.Internet.Datagrams, datagram => datagram.Head.AsSpan().SequenceEqual(lie));
    }

    private static byte[] Random(int size, byte? first = null)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        if (first is { } given)
            bytes[0] = given;
        return bytes;
    }

    private static void Need() => Assert.SkipWhen(EgressWorld.Hindrance is not null, EgressWorld.Hindrance ?? "");
}
