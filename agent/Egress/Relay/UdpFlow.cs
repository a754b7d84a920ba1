using System.Net.Sockets;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Relay;

/// <summary>
/// The datagrams between one port of a runner and one target: a socket inside that stands for the target, and one outside, connected to the address that
/// was judged. Like the network it keeps no datagram that it cannot send at once.
/// </summary>
internal sealed class UdpFlow(DatagramPath path, Destination destination, PeerNamespace peer, IRelayHost host, WaitingRoom room, TimeProvider clock)
{
    private readonly CancellationTokenSource life = new();
    private readonly Lock gate = new();
    private readonly List<byte[]> waiting = [];
    private Socket? outside;
    private volatile Grant? grant;
    private volatile bool isCut;
    private volatile bool isQuic;
    private volatile bool isRefused;
    private long used = clock.GetTimestamp();

    public DatagramPath Path => path;

    /// <summary>How long no datagram went either way.</summary>
    public TimeSpan Idle => clock.GetElapsedTime(Volatile.Read(ref used));

    /// <summary>Opens the flow and carries it until it is cut or one side is gone. Both sockets are closed after it.</summary>
    public async Task RunAsync()
    {
        Socket? inside = null, opened = null;
        try
        {
            if ((opened = await OpenAsync().ConfigureAwait(false)) is null)
                return;
            inside = peer.OpenFlow(path);
            Begin(opened);
            await Task.WhenAll(UpAsync(inside), DownAsync(opened, inside)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            if (inside is null && !isCut)
                Tell(Unreachable.Network); // its name has no address now, there is no way there, or there are too many files
        }
        finally
        {
            End();
            inside?.Dispose();
            opened?.Dispose();
            life.Dispose();
            if (isRefused)
                Tell(Unreachable.Prohibited); // only now: no datagram after this can find the socket inside, and be lost without a word
        }
    }

    /// <summary>Takes a datagram of the runner that did not come to the flow's own socket: the first, and those that were under way meanwhile.</summary>
    /// <returns>False when the flow has ended: it is for another one.</returns>
    public bool Take(ReadOnlySpan<byte> datagram)
    {
        lock (gate)
        {
            if (isCut)
                return false;
            if (outside is not null)
                Send(datagram);
            else if (room.TryEnter(datagram.Length))
                waiting.Add(datagram.ToArray());
            return true;
        }
    }

    /// <summary>Cuts the flow, and tells the runner, if the policy does not allow it any more.</summary>
    public void Recheck(EgressPolicy policy)
    {
        var stands = grant is { } given ? given.Holds(policy) && !IsHidden(policy) : destination.Judge(policy) == Verdict.Allowed;
        if (stands)
            return;
        isRefused = true;
        Cut();
    }

    /// <summary>Ends the flow: not a datagram is sent after it, and the runner's next one begins another.</summary>
    public void Cut()
    {
        lock (gate)
            isCut = true;
        try
        {
            life.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself at this moment.
        }
    }

    private async Task<Socket?> OpenAsync()
    {
        var policy = host.Policy;
        var verdict = destination.Judge(policy);
        if (verdict == Verdict.Allowed)
        {
            var result = await host.Connector.ConnectAsync(destination, policy, life.Token).ConfigureAwait(false);
            if (result.Refused == Verdict.Allowed && result.Socket is null)
                throw new SocketException((int)SocketError.HostUnreachable);
            if (result.Socket is { } socket)
            {
                grant = result.Grant;
                if (!ReferenceEquals(host.Policy, policy))
                    Recheck(host.Policy); // it changed while the name was looked up
                if (!isCut)
                    return socket;
                socket.Dispose();
                return null;
            }

            verdict = result.Refused;
        }

        Refuse(BlockedReasons.Of(verdict));
        return null;
    }

    private void Begin(Socket opened)
    {
        lock (gate)
        {
            outside = opened;
            foreach (var datagram in waiting)
            {
                Send(datagram);
                room.Leave(datagram.Length);
            }

            waiting.Clear();
        }
    }

    private void End()
    {
        lock (gate)
        {
            isCut = true;
            outside = null;
            foreach (var datagram in waiting)
                room.Leave(datagram.Length);
            waiting.Clear();
        }
    }

    private async Task UpAsync(Socket inside)
    {
        try
        {
            await DatagramPump.RunAsync(inside, datagram => Take(datagram), life.Token).ConfigureAwait(false);
        }
        finally
        {
            Cut();
        }
    }

    private async Task DownAsync(Socket opened, Socket inside)
    {
        try
        {
            while (true)
            {
                try
                {
                    await DatagramPump.RunAsync(opened, Deliver, life.Token).ConfigureAwait(false);
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
                {
                    // A router on the way told of a narrower link: from now on the kernel cuts datagrams smaller.
                }
                catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionRefused or SocketError.HostUnreachable
                    or SocketError.NetworkUnreachable or SocketError.ProtocolOption)
                {
                    Tell(exception.SocketErrorCode == SocketError.ConnectionRefused ? Unreachable.Port : Unreachable.Network);
                }
            }
        }
        finally
        {
            Cut();
        }

        void Deliver(ReadOnlySpan<byte> datagram)
        {
            if (isCut)
                return;
            Touch();
            inside.Send(datagram, SocketFlags.None, out var error); // no room: lost, as on any link
            if (error == SocketError.ConnectionRefused)
                Cut(); // the runner's socket is closed: its kernel said so of the last one
        }
    }

    private void Send(ReadOnlySpan<byte> datagram)
    {
        if (isCut)
            return;
        isQuic |= QuicOpening.Is(datagram);
        if (IsHidden(host.Policy))
        {
            Refuse(BlockedReason.Protocol);
            Cut();
            return;
        }

        Touch();
        outside!.Send(datagram, SocketFlags.None, out var error);
        if (error == SocketError.ConnectionRefused)
        {
            // That was said of an earlier datagram, and this one was not sent.
            Tell(Unreachable.Port);
            outside.Send(datagram, SocketFlags.None, out error);
        }

        if (error is SocketError.MessageSize or SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.AccessDenied)
            Tell(Unreachable.Network, datagram.Length);
    }

    // An address was granted as an address; of a name nobody could tell whether it is still the one that is spoken to.
    private bool IsHidden(EgressPolicy policy) => isQuic && destination.Name is not null && policy.Mode != EgressMode.Open;

    private void Refuse(BlockedReason reason)
    {
        host.Blocked(destination, reason);
        isRefused = true;
    }

    private void Tell(Unreachable why, int length = 0) => peer.Errors.Tell(path, length, why);

    private void Touch() => Volatile.Write(ref used, clock.GetTimestamp());
}
