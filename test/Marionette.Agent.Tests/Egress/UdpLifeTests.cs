using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Egress.Relay;
using Marionette.Agent.Tests.Support;
using Marionette.TestEngine;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Agent.Tests.Egress;

/// <summary>How long UDP flows live and how many there may be, with a clock and limits of the test's own; the target is a port of this machine.</summary>
public sealed class UdpLifeTests : IAsyncLifetime
{
    private readonly FakeTimeProvider clock = new();
    private readonly PeerStock peers = new();
    private readonly ConcurrentQueue<BlockedTarget> told = new();
    private readonly CancellationTokenSource stop = new();
    private readonly List<NetNamespace> spaces = [];
    private readonly List<EgressRunner> runners = [];
    private readonly List<Socket> clients = [];
    private Socket? server;
    private IPEndPoint target = null!;

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(MachineTrial.OfNetworks is not null, MachineTrial.OfNetworks ?? "");
        var own = OwnAddresses.Outside();
        Assert.SkipWhen(own is null, "this machine has its loopback alone");
        server = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(own!, 0));
        target = (IPEndPoint)server.LocalEndPoint!;
        _ = EchoAsync(server);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        clients.ForEach(client => client.Dispose());
        foreach (var runner in runners)
            await runner.DisposeAsync();
        spaces.ForEach(space => space.Dispose());
        server?.Dispose();
        peers.Dispose();
        stop.Dispose();
    }

    [Fact]
    public async Task IdleFlow_EndsAfterTwoMinutes_AndOneThatIsUsedDoesNot()
    {
        var runner = Attach(new FlowBudget(8, 8));
        var socket = Connect(0);
        var first = await OuterAsync(socket);
        for (var i = 0; i < 3; i++)
        {
            clock.Advance(UdpRelay.IdleLimit - TimeSpan.FromSeconds(1));
            runner.Flush();
            Assert.Equal(first, await OuterAsync(socket));
        }

        clock.Advance(UdpRelay.IdleLimit);
        runner.Flush();
        // The first datagram may still find the socket that is being closed.
        var next = await TryOuterAsync(socket) is { } other && !other.Equals(first) ? other : await OuterAsync(socket);
        Assert.NotEqual(first, next);
        Assert.Empty(told);
    }

    [Fact]
    public async Task FlowsOfOneRunner_AreLimited_AndTheOneIdleLongestMakesRoom()
    {
        Attach(new FlowBudget(3, 100));
        Socket[] sockets = [Connect(0), Connect(0), Connect(0), Connect(0)];
        foreach (var socket in sockets[..3])
        {
            await OuterAsync(socket);
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        await sockets[3].SendAsync(new byte[1]);
        await Assert.ThrowsAsync<SocketException>(() => sockets[3].ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        await Eventually.TrueAsync(() => told.Contains(new BlockedTarget(target.Address.ToString(), target.Port, "udp", BlockedReason.Limit)));
        clock.Advance(UdpRelay.LeastIdle);
        var kept = await OuterAsync(sockets[1]);
        await OuterAsync(sockets[3]);
        Assert.Equal(kept, await OuterAsync(sockets[1]));
        Assert.Single(told);
    }

    [Fact]
    public async Task FlowsOfAllRunners_AreLimited_AndGivenBack()
    {
        var flows = new FlowBudget(3, 3);
        var first = Attach(flows);
        Attach(flows);
        Socket[] sockets = [Connect(0), Connect(0), Connect(0), Connect(1)];
        foreach (var socket in sockets[..3])
            await OuterAsync(socket);
        await sockets[3].SendAsync(new byte[1]);
        await Assert.ThrowsAsync<SocketException>(() => sockets[3].ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
        runners.Remove(first);
        await first.DisposeAsync();
        await OuterAsync(sockets[3]);
        Assert.Single(told);
    }

    private EgressRunner Attach(FlowBudget flows)
    {
        var resolver = new DnsResolver(new ResolvConf(ResolvConf.DefaultPath, TimeProvider.System).Servers);
        var space = NetNamespace.Create(() => { });
        spaces.Add(space);
        var policy = EgressPolicy.Parse("allow_list", [target.Address.ToString()], null, out _)!;
        var runner = EgressRunner.Attach(
            "test", space, policy, Tell, new EgressServices(resolver, peers, 64, flows, clock, NullLogger.Instance));
        runners.Add(runner);
        return runner;
    }

    private bool Tell(BlockedTarget what, int count)
    {
        told.Enqueue(what);
        return true;
    }

    private Socket Connect(int runner)
    {
        var made = spaces[runner].Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(target);
            return socket;
        });
        clients.Add(made);
        return made;
    }

    private static async Task<EndPoint> OuterAsync(Socket socket) =>
        await TryOuterAsync(socket) ?? throw new TimeoutException("no answer");

    // The machine's port that stands for the flow: the server answers with it.
    private static async Task<EndPoint?> TryOuterAsync(Socket socket)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await socket.SendAsync(new byte[1]);
        var buffer = new byte[64];
        try
        {
            var read = await socket.ReceiveAsync(buffer, limit.Token);
            return IPEndPoint.Parse(System.Text.Encoding.ASCII.GetString(buffer, 0, read));
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private async Task EchoAsync(Socket socket)
    {
        try
        {
            while (true)
            {
                var packet = await socket.ReceiveFromAsync(new byte[1], SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), stop.Token);
                await socket.SendToAsync(System.Text.Encoding.ASCII.GetBytes(packet.RemoteEndPoint.ToString()!), packet.RemoteEndPoint);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
