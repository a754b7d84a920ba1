using System.Threading.Channels;
using Grpc.Core;

namespace Marionette.Gateway.Grpc;

/// <summary>What the streams of runners and of hosts have in common: loops that end together, and a watch over silence.</summary>
internal static class LinkLoops
{
    /// <summary>How often the other end is to send a heartbeat.</summary>
    public const int HeartbeatMs = 5_000;

    /// <summary>Messages that may wait to go out. Far more than a link has under way that is read, however slowly.</summary>
    private const int MostWaiting = 50_000;

    /// <summary>How often the grain behind a stream is asked whether it knows it: it may have moved to another silo.</summary>
    public static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(3);

    /// <summary>Waits for the loop that ends first, then ends the others: a part of a link is of no use. Throws what the first one threw.</summary>
    public static async Task FirstEndsAllAsync<T>(CancellationTokenSource ended, Channel<T> outgoing, params Task[] loops)
    {
        var first = await Task.WhenAny(loops);
        await ended.CancelAsync();
        outgoing.Writer.TryComplete();
        await Task.WhenAll(loops.Select(Quietly));
        await first;
    }

    /// <summary>Writes what is to go out until there is no more.</summary>
    public static async Task WriteAsync<T>(Channel<T> outgoing, IServerStreamWriter<T> responses, CancellationToken cancellationToken)
    {
        await foreach (var message in outgoing.Reader.ReadAllAsync(cancellationToken)) await responses.WriteAsync(message, cancellationToken);
    }

    /// <summary>Looks, at each message that comes, at what waits to go out: who asks on and reads nothing must not fill our memory.</summary>
    /// <exception cref="RpcException">ResourceExhausted: too much waits.</exception>
    public static void CheckReads<T>(Channel<T> outgoing)
    {
        if (outgoing.Reader.Count > MostWaiting) throw new RpcException(new Status(StatusCode.ResourceExhausted, "What is sent is not read."));
    }

    /// <summary>A loop's end without its error: the first loop's end tells why, the others end because of it.</summary>
    public static async Task Quietly(Task loop)
    {
        try
        {
            await loop;
        }
        catch (Exception)
        {
            // See above.
        }
    }
}

/// <summary>
/// Whoever says nothing for so long is away, whatever the socket says: its lease begins. Longer than the other end's own patience with us, since a large
/// message on a slow line holds heartbeats up.
/// </summary>
internal sealed class SilenceWatch(TimeProvider clock, string who)
{
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMilliseconds(6 * LinkLoops.HeartbeatMs);

    private long _heardAt = clock.GetTimestamp();

    public void Heard() => Volatile.Write(ref _heardAt, clock.GetTimestamp());

    /// <exception cref="RpcException">DeadlineExceeded: nothing came for too long.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(LinkLoops.HeartbeatMs / 2d), clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            if (clock.GetElapsedTime(Volatile.Read(ref _heardAt)) > LongestSilence)
                throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"The {who} fell silent."));
    }
}
