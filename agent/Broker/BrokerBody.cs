using System.Buffers;
using System.Globalization;
using System.Text;

namespace Marionette.Agent.Broker;

/// <summary>Copies the model's answer to the client, piece by piece: nothing waits for more to come.</summary>
internal static class BrokerBody
{
    private const int BufferSize = 16 * 1024;

    // Room before a piece for its chunk head, and after it for the line end: each piece leaves in one send.
    private const int HeadRoom = 16;
    private const int TailRoom = 2;

    public static async Task CopyAsync(
        HttpResponseMessage response, ClientStream client, bool chunked, Action heard, CancellationToken cancellationToken)
    {
        var source = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var room = buffer.AsMemory(HeadRoom, buffer.Length - HeadRoom - TailRoom);
            while (await source.ReadAsync(room, cancellationToken).ConfigureAwait(false) is > 0 and var read)
            {
                heard();
                await client.WriteAsync(chunked ? Frame(buffer, read) : room[..read], cancellationToken).ConfigureAwait(false);
            }

            if (chunked)
                await client.WriteAsync("0\r\n\r\n"u8.ToArray(), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static ReadOnlyMemory<byte> Frame(byte[] buffer, int length)
    {
        var head = Encoding.ASCII.GetBytes(length.ToString("x", CultureInfo.InvariantCulture) + "\r\n");
        head.CopyTo(buffer, HeadRoom - head.Length);
        "\r\n"u8.CopyTo(buffer.AsSpan(HeadRoom + length));
        return buffer.AsMemory(HeadRoom - head.Length, head.Length + length + TailRoom);
    }
}
