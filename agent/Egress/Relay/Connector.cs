using System.Net;
using System.Net.Sockets;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Relay;

/// <summary>How an attempt to connect ended.</summary>
/// <param name="Socket">Null when there is none.</param>
/// <param name="Refused">The policy's answer when that was the reason.</param>
internal readonly record struct ConnectResult(Socket? Socket, Grant? Grant, Verdict Refused = Verdict.Allowed);

/// <summary>
/// Connects to where a runner wants to go. A name is looked up here, each of its addresses is judged, and the connection goes to
/// the very address that was judged: nobody looks it up a second time.
/// </summary>
internal sealed class Connector(NameService names)
{
    private const int MaxAddresses = 6;
    private static readonly TimeSpan AddressLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WholeLimit = TimeSpan.FromSeconds(20);

    public async Task<ConnectResult> ConnectAsync(Destination destination, EgressPolicy policy, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(WholeLimit);
        if (destination.Name is not { } name)
        {
            var direct = await TryAllAsync(destination.IsUdp, [destination.Address], destination.Port, limit.Token).ConfigureAwait(false);
            return new ConnectResult(direct, new Grant(destination, null, destination.Address));
        }

        if (policy.Alias(name.Name) is { } alias)
        {
            var found = IPAddress.TryParse(alias.Host, out var address)
                ? [address]
                : await Dns.GetHostAddressesAsync(alias.Host, limit.Token).ConfigureAwait(false);
            var socket = await TryAllAsync(destination.IsUdp, found, alias.Port, limit.Token).ConfigureAwait(false);
            return new ConnectResult(socket, new Grant(destination, alias, null));
        }

        var lookup = await names.LookupAsync(name, limit.Token).ConfigureAwait(false);
        var (allowed, refused) = Sift(lookup.Addresses, destination.Port, policy);
        if (allowed.Count == 0)
            return new ConnectResult(null, null, refused);
        var connected = await TryAllAsync(destination.IsUdp, allowed, destination.Port, limit.Token).ConfigureAwait(false);
        return new ConnectResult(connected, new Grant(destination, null, (connected?.RemoteEndPoint as IPEndPoint)?.Address));
    }

    private static (List<IPAddress> Allowed, Verdict Refused) Sift(IReadOnlyList<IPAddress> addresses, int port, EgressPolicy policy)
    {
        var allowed = new List<IPAddress>();
        var refused = Verdict.Allowed;
        foreach (var address in addresses.Select(AddressClass.Canonical))
        {
            var verdict = policy.JudgeResolved(address, port, OwnAddresses.Contains(address));
            if (verdict == Verdict.Allowed)
                allowed.Add(address);
            else
                refused = verdict;
        }

        return (allowed, refused);
    }

    // By UDP nobody answers: the first address to which there is a way.
    private static async Task<Socket?> TryAllAsync(bool isUdp, IReadOnlyList<IPAddress> addresses, int port, CancellationToken cancellationToken)
    {
        foreach (var address in addresses.Take(MaxAddresses))
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (addresses.Count > 1)
                limit.CancelAfter(AddressLimit);
            NetNamespace.StayHome();
            var socket = isUdp ? Datagram(address.AddressFamily)
                : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, port), limit.Token).ConfigureAwait(false);
                return socket;
            }
            catch (Exception exception) when (exception is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        return null;
    }

    // Datagrams too long for a link on the way are cut, as they were to be from the runner's own: it does not hear what a router says of them.
    private static Socket Datagram(AddressFamily family)
    {
        const int levelV6 = 41, pathDiscovery = 23, never = 0;
        var socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        if (family == AddressFamily.InterNetwork)
            socket.DontFragment = false;
        else
            socket.SetRawSocketOption(levelV6, pathDiscovery, BitConverter.GetBytes(never));
        return socket;
    }
}
