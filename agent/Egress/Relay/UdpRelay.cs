using System.Buffers;
using System.Collections.Concurrent;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Policy;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Egress.Relay;

/// <summary>The UDP flows of one runner. Each begins with a datagram that none has a socket for, and ends when it is idle, refused or in the way.</summary>
internal sealed class UdpRelay(string key, PeerNamespace peer, NameTable table, IRelayHost host, EgressServices services)
{
    /// <summary>What a NAT must keep at least (RFC 4787, REQ-5).</summary>
    public static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(2);

    /// <summary>When there are too many, the one that has been idle longest makes room, but only after this.</summary>
    public static readonly TimeSpan LeastIdle = TimeSpan.FromSeconds(10);

    /// <summary>Datagrams a second that are looked at; what the socket's buffer does not hold meanwhile is lost. Those of open flows do not count.</summary>
    private const int MostLooks = 2000;

    private const int Burst = 64;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<DatagramPath, UdpFlow> flows = new();
    private readonly WaitingRoom room = new();
    private int open;
    private long second = services.Clock.GetTimestamp();
    private int looks;

    /// <summary>Takes the datagrams that no flow has a socket for, until stopped.</summary>
    public async Task ServeAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await peer.Datagrams.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
                if (!MayLook())
                    await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
                else if (Drain())
                    await Task.Yield(); // a runner that never pauses leaves the thread to others
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return; // the runner is detached
            }
            catch (Exception exception)
            {
                // Out of descriptors or memory, most likely: it passes, and what comes behind it is to be heard.
                if (cancellationToken.IsCancellationRequested)
                    return;
                services.Log.EgressFault(key, exception.Message);
                await Task.Delay(Pause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Cuts what another policy does not allow.</summary>
    public void Recheck(EgressPolicy policy)
    {
        foreach (var flow in flows.Values)
            flow.Recheck(policy);
    }

    /// <summary>Ends what was idle too long. To be called about once a second.</summary>
    public void Expire()
    {
        foreach (var flow in flows.Values.Where(flow => flow.Idle >= IdleLimit))
            Drop(flow);
    }

    /// <summary>Ends everything.</summary>
    public void Cut()
    {
        foreach (var flow in flows.Values)
            Drop(flow);
    }

    // Whether there may be more.
    private bool Drain()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(DatagramReader.MaxDatagram);
        try
        {
            for (var taken = 0; taken < Burst; taken++, looks++)
            {
                if (!DatagramReader.TryRead(peer.Datagrams, buffer, out var path, out var read))
                    return false;
                if (path is { } known)
                    Take(known, buffer.AsSpan(0, read));
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private bool MayLook()
    {
        if (services.Clock.GetElapsedTime(second) >= TimeSpan.FromSeconds(1))
            (second, looks) = (services.Clock.GetTimestamp(), 0);
        return looks < MostLooks;
    }

    private void Take(DatagramPath path, ReadOnlySpan<byte> datagram)
    {
        // A sender that gives itself another address would have two targets speak to each other.
        if (path.Client.Port == 0 || !(path.Client.Address.Equals(PeerNamespace.Runner) || path.Client.Address.Equals(PeerNamespace.RunnerV6)))
            return;
        if (flows.TryGetValue(path, out var present))
        {
            if (present.Take(datagram))
                return;
            Drop(present);
        }

        var address = AddressClass.Canonical(path.Target.Address);
        var destination = new Destination(address, path.Target.Port, table.Find(address), IsUdp: true);
        var verdict = path.Target.Port == 0 ? Verdict.Protocol : destination.Judge(host.Policy);
        if (verdict != Verdict.Allowed || !TryTake())
        {
            host.Blocked(destination, verdict == Verdict.Allowed ? BlockedReason.Limit : BlockedReasons.Of(verdict));
            peer.Errors.Tell(path, datagram.Length, Unreachable.Prohibited);
            return;
        }

        var flow = new UdpFlow(path, destination, peer, host, room, services.Clock);
        flows[path] = flow;
        flow.Take(datagram);
        _ = CarryAsync(flow);
    }

    private async Task CarryAsync(UdpFlow flow)
    {
        try
        {
            await flow.RunAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // One flow's trouble, whatever it is, is not the runner's.
            services.Log.EgressFault(key, exception.Message);
        }
        finally
        {
            Drop(flow);
        }
    }

    private bool TryTake()
    {
        if (open >= services.Flows.OfOne || !services.Flows.TryTake())
        {
            if (flows.Values.MaxBy(flow => flow.Idle) is not { } oldest || oldest.Idle < LeastIdle)
                return false;
            Drop(oldest);
            if (!services.Flows.TryTake())
                return false;
        }

        Interlocked.Increment(ref open);
        return true;
    }

    // Once for each flow, whoever ends it.
    private void Drop(UdpFlow flow)
    {
        if (!flows.TryRemove(new KeyValuePair<DatagramPath, UdpFlow>(flow.Path, flow)))
            return;
        Interlocked.Decrement(ref open);
        services.Flows.Return();
        flow.Cut();
    }
}
