using System.Buffers;
using System.Net;

namespace Marionette.Agent.Broker;

/// <summary>The body of a client's request, passed on while it arrives.</summary>
internal sealed class RequestContent : HttpContent
{
    private readonly ClientStream client;
    private readonly long? length;
    private readonly TaskCompletionSource complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="client">Where it comes from.</param>
    /// <param name="length">Bytes; null when it comes in chunks.</param>
    public RequestContent(ClientStream client, long? length)
    {
        this.client = client;
        this.length = length;
        if (length is 0)
            complete.SetResult();
    }

    /// <summary>Completes when all of the body was read: the connection stands at the next request.</summary>
    public Task Complete => complete.Task;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            if (length is { } known)
                await CopyAsync(stream, buffer, known, cancellationToken).ConfigureAwait(false);
            else
                await CopyChunksAsync(stream, buffer, cancellationToken).ConfigureAwait(false);
            complete.TrySetResult();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // False makes HttpClient use chunks, as the client did.
    protected override bool TryComputeLength(out long computed)
    {
        computed = length ?? 0;
        return length is not null;
    }

    private async Task CopyChunksAsync(Stream stream, byte[] buffer, CancellationToken cancellationToken)
    {
        while (await client.ReadChunkHeadAsync(cancellationToken).ConfigureAwait(false) is > 0 and var size)
        {
            await CopyAsync(stream, buffer, size, cancellationToken).ConfigureAwait(false);
            await client.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }

        while ((await client.ReadLineAsync(cancellationToken).ConfigureAwait(false)).Length > 0)
        {
            // Trailer fields: nobody here uses them.
        }
    }

    private async Task CopyAsync(Stream stream, byte[] buffer, long count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            var piece = buffer.AsMemory(0, (int)Math.Min(count, buffer.Length));
            var read = await client.ReadAsync(piece, cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw new IOException("The request ended inside its body.");
            await stream.WriteAsync(piece[..read], cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false); // HttpClient would gather
            count -= read;
        }
    }
}
