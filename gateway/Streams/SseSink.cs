using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Marionette.Gateway.Streams;

/// <summary>Server-sent events. A block's frames are contiguous, so an unfiltered reader is served by copying a run of bytes.</summary>
internal sealed class SseSink(PipeWriter writer, bool tenantStream) : IEventSink
{
    private const int FullBytes = 64 * 1024;

    private int pending;
    private bool filtered;

    public bool IsFull => pending >= FullBytes;

    public bool HasPending => pending > 0;

    public int Take(EventBlock block, int from, TypeFilter filter)
    {
        var frames = block.Frames;
        var i = from;
        while (i < frames.Length && pending < FullBytes)
        {
            if (!filter.Passes(frames[i].Type))
            {
                filtered = true;
                i++;
                continue;
            }
            var start = i++;
            while (i < frames.Length && frames[i - 1].End - frames[start].Start + pending < FullBytes && filter.Passes(frames[i].Type)) i++;
            Write(block.Bytes.Span[frames[start].Start..frames[i - 1].End]);
            filtered = false;
        }
        return i;
    }

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        pending = 0;
        var result = await writer.FlushAsync(cancellationToken);
        if (result.IsCompleted) throw new OperationCanceledException("The client has gone.");
    }

    public bool BeginLarge(EventBlock block, in EventFrame frame)
    {
        Write(block.Bytes.Span[frame.Start..frame.End]);
        return true;
    }

    public Task WritePieceAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        Write(piece.Span);
        return FlushAsync(cancellationToken);
    }

    public Task EndLargeAsync(CancellationToken cancellationToken)
    {
        Write(EventBlockBuilder.Tail);
        return FlushAsync(cancellationToken);
    }

    public Task HeartbeatAsync(StreamPosition passed, CancellationToken cancellationToken)
    {
        Write(": hb\n"u8);
        // An id without data is no event, but it moves the client's Last-Event-ID past what its filter leaves out.
        if (filtered) Write(Encoding.ASCII.GetBytes($"id: {(tenantStream ? passed.ToTenantText() : passed.Minor.ToString())}\n"));
        filtered = false;
        Write("\n"u8);
        return FlushAsync(cancellationToken);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        writer.Write(bytes);
        pending += bytes.Length;
    }
}
