using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Egress.Relay;
using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Egress;

/// <summary>What all runners share.</summary>
/// <param name="MaxConnections">TCP connections of one runner at once.</param>
/// <param name="Flows">UDP flows at once.</param>
internal sealed record EgressServices(
    DnsResolver Resolver, PeerStock Peers, int MaxConnections, FlowBudget Flows, TimeProvider Clock, ILogger Log);

/// <summary>One runner's way out: its peer namespace, its policy, and what it has open.</summary>
internal sealed class EgressRunner : IRelayHost, IAsyncDisposable
{
    private readonly string key;
    private readonly EgressServices services;
    private readonly PeerNamespace peer;
    private readonly BlockedLog blocked;
    private readonly NameTable table = new();
    private readonly ConcurrentDictionary<RelayConnection, bool> connections = new();
    private readonly UdpRelay datagrams;
    private readonly CancellationTokenSource life = new();
    private readonly TaskCompletionSource gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile EgressPolicy policy;
    private int open;
    private List<Task> loops = [];

    private EgressRunner(
        string key, string identity, PeerNamespace peer, EgressPolicy policy, Func<BlockedTarget, int, bool> tell, EgressServices services)
    {
        this.key = key;
        this.peer = peer;
        this.policy = policy;
        this.services = services;
        Identity = identity;
        blocked = new BlockedLog(tell, services.Clock);
        var names = new NameService(table, services.Resolver, () => this.policy, blocked, services.Clock);
        Connector = new Connector(names);
        NameListener = new NameListener(names);
        datagrams = new UdpRelay(key, peer, table, this, services);
    }

    /// <summary>The namespace that it serves.</summary>
    public string Identity { get; }

    /// <summary>Whether the runner has IPv6.</summary>
    public bool HasV6 { get; private set; }

    /// <summary>Completes when the runner's namespace, or its link, is no more.</summary>
    public Task Gone => gone.Task;

    public EgressPolicy Policy => policy;

    public Connector Connector { get; }

    public NameListener NameListener { get; }

    public BufferBudget Buffers { get; } = new();

    /// <summary>Gives a namespace its way out. Blocks for some milliseconds.</summary>
    /// <param name="tell">Takes notices; false when it has no room.</param>
    /// <exception cref="IOException">It has none; nothing is left behind.</exception>
    public static EgressRunner Attach(
        string key, NetNamespace runner, EgressPolicy policy, Func<BlockedTarget, int, bool> tell, EgressServices services)
    {
        var peer = services.Peers.Take();
        EgressRunner? made = null;
        try
        {
            made = new EgressRunner(key, runner.Identity, peer, policy, tell, services);
            made.HasV6 = peer.Join(runner);
            made.Start();
            return made;
        }
        catch
        {
            made?.life.Dispose();
            peer.Dispose();
            throw;
        }
    }

    /// <summary>Puts another policy in force: for what comes, and for what stands.</summary>
    public void Apply(EgressPolicy next)
    {
        policy = next;
        foreach (var connection in connections.Keys)
            connection.Recheck(next);
        datagrams.Recheck(next);
    }

    /// <summary>Tells what is due, and ends what is idle. To be called about once a second.</summary>
    public void Flush()
    {
        blocked.Flush();
        datagrams.Expire();
    }

    public void Blocked(Destination destination, BlockedReason reason) =>
        blocked.Report(new BlockedTarget(destination.Shown, destination.Port, destination.IsUdp ? "udp" : "tcp", reason));

    public async ValueTask DisposeAsync()
    {
        await life.CancelAsync().ConfigureAwait(false);
        peer.Dispose();
        foreach (var connection in connections.Keys)
            connection.Cut();
        datagrams.Cut();
        await Task.WhenAll(loops).ConfigureAwait(false);
        blocked.Flush(all: true);
        life.Dispose();
    }

    private void Start()
    {
        loops =
        [
            Task.Run(AcceptAsync),
            Task.Run(() => NameListener.ServeUdpAsync(peer.Names, life.Token)),
            Task.Run(() => datagrams.ServeAsync(life.Token)),
            .. peer.Refused.Select(socket => Task.Run(() => WatchAsync(socket))),
        ];
    }

    private async Task AcceptAsync()
    {
        while (!life.IsCancellationRequested)
        {
            try
            {
                Take(await peer.Connections.AcceptAsync(life.Token).ConfigureAwait(false));
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception) when (!life.IsCancellationRequested)
            {
                services.Log.EgressFault(key, exception.Message); // a client that was gone before it was accepted; out of descriptors
                await Task.Delay(50, CancellationToken.None).ConfigureAwait(false);
            }
            catch (SocketException)
            {
                return;
            }
        }
    }

    private void Take(Socket socket)
    {
        if (socket.LocalEndPoint is not IPEndPoint target)
        {
            RelayConnection.Close(socket, whole: false);
            return;
        }

        var address = AddressClass.Canonical(target.Address);
        var destination = new Destination(address, target.Port, table.Find(address));
        if (open >= services.MaxConnections)
        {
            Blocked(destination, BlockedReason.Limit);
            RelayConnection.Close(socket, whole: false);
            return;
        }

        Interlocked.Increment(ref open);
        var connection = new RelayConnection(socket, destination, this);
        connections[connection] = true;
        _ = CarryAsync(connection);
    }

    private async Task CarryAsync(RelayConnection connection)
    {
        try
        {
            await connection.RunAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // One connection's trouble, whatever it is, is not the runner's.
            services.Log.EgressFault(key, exception.Message);
        }
        finally
        {
            connections.TryRemove(connection, out _);
            Interlocked.Decrement(ref open);
        }
    }

    // A flood is not looked at packet by packet: what the socket's small buffer does not hold is not counted.
    private async Task WatchAsync(Socket socket)
    {
        const int burst = 64;
        var packet = new byte[PacketSeen.Captured];
        try
        {
            for (var seen = 1; ; seen++)
            {
                var read = await socket.ReceiveAsync(packet, life.Token).ConfigureAwait(false);
                if (PacketSeen.Parse(packet.AsSpan(0, read)) is { } what)
                    Report(what);
                if (seen % burst == 0)
                    await Task.Delay(50, life.Token).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The link is gone, with the runner's namespace or because we took it away.
            if (!life.IsCancellationRequested)
                gone.TrySetResult();
        }
    }

    private void Report(PacketSeen packet)
    {
        var address = AddressClass.Canonical(packet.Target);
        var destination = new Destination(address, packet.Port, table.Find(address));
        // Of UDP what goes to a group is seen here: no entry opens that.
        var reason = packet.Protocol == "udp" ? BlockedReason.Protocol : BlockedReasons.Of(destination.Judge(policy));
        blocked.Report(new BlockedTarget(destination.Shown, packet.Port, packet.Protocol, reason));
    }
}
