using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Tests.Egress.World;

namespace Marionette.Agent.Tests.Egress;

/// <summary>What a runner reaches, and how it looks from inside.</summary>
public sealed class ReachTests(EgressWorld world) : IClassFixture<EgressWorld>
{
    private const string Good = "api.good.test";

    [Theory]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    public async Task AllowedName_IsReachedByBothFamilies(AddressFamily family)
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site, TestInternet.SiteV6);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", $"{Good}:{TestInternet.EchoPort}"));
        using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort, family);
        await TestRunner.EchoesAsync(socket);
        await TestRunner.IsCutAsync(runner.ConnectByNameAsync(Good, TestInternet.SinkPort, family));
        await world.Netd.BlockedAsync(runner.Key, Good, TestInternet.SinkPort);
    }

    [Fact]
    public async Task NameWithOneFamilyUpstream_IsReachedByTheOtherInside()
    {
        Need();
        world.Internet.Name("six.good.test", TestInternet.SiteV6);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", "*.good.test"));
        using var socket = await runner.ConnectByNameAsync("six.good.test", TestInternet.EchoPort);
        await TestRunner.EchoesAsync(socket);
    }

    [Fact]
    public async Task RealProgram_FindsAnAllowedNameThroughItsOrdinaryResolver()
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", Good));
        const string script = """
            f=$(mktemp); echo nameserver 10.200.0.1 > $f; mount --bind $f /etc/resolv.conf; rm $f
            exec python3 -c '
            import socket
            s = socket.create_connection(("api.good.test", 2222), 10)
            print(s.makefile().readline().strip())
            try: socket.create_connection(("nobody.good.test", 2222), 10).recv(1); print("reached")
            except OSError as e: print(type(e).__name__)'
            """;
        using var program = runner.Exec("unshare", "-m", "sh", "-c", script);
        var said = await program.StandardOutput.ReadToEndAsync();
        Assert.True(said == "220 you may speak\nConnectionResetError\n", said + await program.StandardError.ReadToEndAsync());
        await world.Netd.BlockedAsync(runner.Key, "nobody.good.test", 2222);
    }

    [Fact]
    public async Task ListedAddressesAndNetworks_AreReached_PrivateOnesToo()
    {
        Need();
        using var runner = await world.RunnerAsync(
            EgressWorld.Policy("allow_list", $"{TestInternet.Site}:7000", "10.99.0.0/16", $"[{TestInternet.SiteV6}]:7000"));
        foreach (var address in new[] { TestInternet.Site, TestInternet.PrivateHost, TestInternet.SiteV6 })
        {
            using var socket = await runner.ConnectAsync(address, TestInternet.EchoPort);
            await TestRunner.EchoesAsync(socket);
        }
    }

    [Fact]
    public async Task OpenMode_ReachesPublicAddressesAndNames()
    {
        Need();
        world.Internet.Name("any.where.test", TestInternet.OtherSite);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var byAddress = await runner.ConnectAsync(TestInternet.Site, TestInternet.EchoPort);
        await TestRunner.EchoesAsync(byAddress);
        using var byName = await runner.ConnectByNameAsync("any.where.test", TestInternet.EchoPort);
        await TestRunner.EchoesAsync(byName);
    }

    [Fact]
    public async Task Alias_LeadsToTheMachinesLoopback_EvenWhenAllIsDenied()
    {
        Need();
        using var listener = world.Machine.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            socket.Listen();
            return socket;
        });
        var policy = EgressWorld.Policy("deny");
        policy["aliases"] = new JsonObject { ["gateway.marionette.internal"] = listener.LocalEndPoint!.ToString() };
        using var runner = await world.RunnerAsync(policy);
        using var client = await runner.ConnectByNameAsync("gateway.marionette.internal", 9090);
        using var server = await listener.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(10));
        await server.SendAsync("here\n"u8.ToArray());
        await TestRunner.ReadsAsync(client, "here\n");
        // The same port of its own loopback is its own: nothing is there.
        var port = ((IPEndPoint)listener.LocalEndPoint).Port;
        await Assert.ThrowsAnyAsync<SocketException>(() => runner.ConnectAsync(IPAddress.Loopback, port));
    }

    [Fact]
    public async Task ServerThatSpeaksFirst_IsHeard()
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", Good));
        using var socket = await runner.ConnectByNameAsync(Good, TestInternet.GreetingPort);
        await TestRunner.ReadsAsync(socket, TestInternet.Greeting);
        await TestRunner.EchoesAsync(socket, "and now I");
    }

    [Fact]
    public async Task HalfClose_IsPassedOn()
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", Good));
        using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
        await socket.SendAsync("last words "u8.ToArray());
        socket.Shutdown(SocketShutdown.Send);
        await TestRunner.ReadsAsync(socket, "last words END");
        Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task Megabytes_ArriveIntactBothWays()
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", Good));
        using var socket = await runner.ConnectByNameAsync(Good, TestInternet.EchoPort);
        var sent = new byte[8 * 1024 * 1024];
        new Random(7).NextBytes(sent);
        var stream = new NetworkStream(socket);
        var writing = Task.Run(async () =>
        {
            await stream.WriteAsync(sent);
            socket.Shutdown(SocketShutdown.Send);
        });
        var received = new byte[sent.Length + 3];
        await stream.ReadExactlyAsync(received).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        await writing;
        Assert.True(received.AsSpan(0, sent.Length).SequenceEqual(sent));
        Assert.Equal("END", System.Text.Encoding.ASCII.GetString(received, sent.Length, 3));
    }

    [Fact]
    public async Task Tls_ToTheNameItself_Works_ToAnotherName_IsRefused()
    {
        Need();
        world.Internet.Name(Good, TestInternet.Site);
        using var runner = await world.RunnerAsync(EgressWorld.Policy("allow_list", Good, "second.good.test"));
        foreach (var name in new[] { Good, "second.good.test" })
        {
            using var socket = await runner.ConnectByNameAsync(Good, TestInternet.TlsPort);
            await using var tls = await GreetAsync(socket, name);
            await tls.WriteAsync("hello"u8.ToArray());
            var echo = new byte[5];
            await tls.ReadExactlyAsync(echo).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal("hello"u8.ToArray(), echo);
        }

        using var fronted = await runner.ConnectByNameAsync(Good, TestInternet.TlsPort);
        await Assert.ThrowsAnyAsync<IOException>(() => GreetAsync(fronted, "evil.test"));
        var notice = await world.Netd.BlockedAsync(runner.Key, Good, TestInternet.TlsPort);
        Assert.Equal("name_mismatch", (string?)notice["reason"]);
    }

    [Fact]
    public async Task TwoRunners_HaveTheSameAddress_AndDoNotSeeEachOther()
    {
        Need();
        using var first = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var second = await world.RunnerAsync(EgressWorld.Policy("open"));
        using var listener = first.NewSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, 8000));
        listener.Listen();
        var itself = await first.ConnectAsync(PeerNamespace.Runner, 8000);
        itself.Dispose();
        await Assert.ThrowsAnyAsync<SocketException>(() => second.ConnectAsync(PeerNamespace.Runner, 8000));
        await TestRunner.IsCutAsync(second.ConnectAsync(PeerNamespace.Gateway, 8000));
    }

    private static async Task<SslStream> GreetAsync(Socket socket, string name)
    {
        var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = name,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.Subject == "CN=test",
        }).WaitAsync(TimeSpan.FromSeconds(10));
        return tls;
    }

    private static void Need() => Assert.SkipWhen(EgressWorld.Hindrance is not null, EgressWorld.Hindrance ?? "");
}
