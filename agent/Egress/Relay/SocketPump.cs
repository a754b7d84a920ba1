using System.Net.Sockets;

namespace Marionette.Agent.Egress.Relay;

/// <summary>Carries bytes from one socket to another until the first has said its end, and passes that end on.</summary>
internal static class SocketPump
{
    /// <summary>Carries on what comes.</summary>
    /// <exception cref="SocketException">One of the two broke.</exception>
    public static async Task RunAsync(Socket from, Socket to, BufferBudget budget, CancellationToken cancellationToken)
    {
        var isBusy = false;
        while (true)
        {
            // Waits without a buffer: an idle connection holds none.
            await from.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
            var buffer = budget.Rent(isBusy);
            try
            {
                int read;
                do
                {
                    read = await from.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
                    if (read == 0)
                    {
                        to.Shutdown(SocketShutdown.Send);
                        return;
                    }

                    await SendAsync(to, buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                }
                while (read == buffer.Length && isBusy);
                isBusy = read == buffer.Length || (isBusy && read > buffer.Length / 8);
            }
            finally
            {
                budget.Return(buffer);
            }
        }
    }

    public static async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
            bytes = bytes[await to.SendAsync(bytes, cancellationToken).ConfigureAwait(false)..];
    }
}
