using System.Buffers;
using System.Net.Sockets;
using Marionette.Agent.Egress.Namespaces;

namespace Marionette.Agent.Egress.Relay;

/// <summary>Takes what comes to a connected, non-blocking UDP socket. Waits without a buffer: a flow that is idle holds none.</summary>
internal static class DatagramPump
{
    private const int Burst = 64;

    /// <summary>Hands on datagrams, and empty ones, until stopped.</summary>
    /// <exception cref="SocketException">The other side told of an error: nobody listens there, or there is no way.</exception>
    public static async Task RunAsync(Socket from, Action<ReadOnlySpan<byte>> take, CancellationToken cancellationToken)
    {
        while (true)
        {
            await from.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
            if (Drain(from, take))
                await Task.Yield(); // a flow that never pauses leaves the thread to others
        }
    }

    // Whether there may be more.
    private static bool Drain(Socket from, Action<ReadOnlySpan<byte>> take)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(DatagramReader.MaxDatagram);
        try
        {
            for (var taken = 0; taken < Burst; taken++)
            {
                var read = from.Receive(buffer, SocketFlags.None, out var error);
                if (error == SocketError.WouldBlock)
                    return false;
                if (error != SocketError.Success)
                    throw new SocketException((int)error);
                take(buffer.AsSpan(0, read));
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
