using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Marionette.Agent.Broker;

/// <summary>The client's side of a connection: heads and bodies in, bytes out.</summary>
internal sealed class ClientStream(Socket socket) : IDisposable
{
    private const int MaxHead = 64 * 1024;
    private const int MaxChunkLine = 256;

    private byte[] buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
    private int start;
    private int end;

    /// <summary>Reads up to the empty line that ends a head.</summary>
    /// <returns>The head without it; null when the client closed, empty when the head is too long.</returns>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadHeadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var at = buffer.AsSpan(start, end - start).IndexOf("\r\n\r\n"u8);
            if (at >= 0)
            {
                var head = buffer.AsMemory(start, at);
                start += at + 4;
                return head;
            }

            if (end - start >= MaxHead)
                return ReadOnlyMemory<byte>.Empty;
            if (!await FillAsync(cancellationToken).ConfigureAwait(false))
                return null;
        }
    }

    /// <summary>Reads bytes of the body, as they come.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        if (start == end)
            return await socket.ReceiveAsync(target, cancellationToken).ConfigureAwait(false);
        var count = Math.Min(target.Length, end - start);
        buffer.AsSpan(start, count).CopyTo(target.Span);
        start += count;
        return count;
    }

    /// <summary>Reads the line that announces a chunk.</summary>
    /// <returns>Its length.</returns>
    /// <exception cref="IOException">There is none.</exception>
    public async ValueTask<long> ReadChunkHeadAsync(CancellationToken cancellationToken)
    {
        var line = await ReadLineAsync(cancellationToken).ConfigureAwait(false);
        var digits = line.Split(';')[0].Trim();
        return long.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var size) && size >= 0
            ? size
            : throw new IOException("The request's chunks are malformed.");
    }

    /// <summary>Reads up to the end of the line.</summary>
    public async ValueTask<string> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var at = buffer.AsSpan(start, end - start).IndexOf("\r\n"u8);
            if (at >= 0)
            {
                var line = Encoding.Latin1.GetString(buffer, start, at);
                start += at + 2;
                return line;
            }

            if (end - start > MaxChunkLine || !await FillAsync(cancellationToken).ConfigureAwait(false))
                throw new IOException("The request ended inside its body.");
        }
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (bytes.Length > 0)
            bytes = bytes[await socket.SendAsync(bytes, cancellationToken).ConfigureAwait(false)..];
    }

    /// <summary>Completes when the client has closed its side; stays open while it does not.</summary>
    public async Task WhenClosedAsync(CancellationToken cancellationToken)
    {
        // Looks without taking: what a client sends ahead belongs to its next request.
        var peek = new byte[1];
        var seen = start < end ? 1 : await socket.ReceiveAsync(peek, SocketFlags.Peek, cancellationToken).ConfigureAwait(false);
        if (seen > 0)
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
        }

        if (end == buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
            buffer.CopyTo(larger, 0);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        var read = await socket.ReceiveAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
        end += read;
        return read > 0;
    }
}
