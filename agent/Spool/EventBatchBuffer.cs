using System.Buffers;

namespace Marionette.Agent.Spool;

/// <summary>A batch in wire form: the repeated <c>events</c> field of the protocol's <c>EventBatch</c>. Reused between batches.</summary>
internal sealed class EventBatchBuffer : IDisposable
{
    /// <summary>Field 2, length-delimited.</summary>
    private const byte EventsTag = (2 << 3) | 2;

    private byte[] buffer = [];

    /// <summary>Number of the first event.</summary>
    public long First { get; private set; }

    public int Count { get; private set; }

    /// <summary>Bytes in use.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => buffer.AsSpan(0, Length);

    public void Start(long first)
    {
        First = first;
        Count = 0;
        Length = 0;
        if (buffer.Length > 2 * 1024 * 1024)
            Dispose(); // the last batch was one huge event
    }

    public void Add(ReadOnlySpan<byte> payload) => payload.CopyTo(Reserve(payload.Length));

    public void Add(in EventPayload payload)
    {
        var size = payload.Size;
        payload.Write(Reserve(size));
    }

    public void Dispose()
    {
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        Length = 0;
    }

    private Span<byte> Reserve(int payload)
    {
        var size = 1 + EventPayload.VarintSize((ulong)payload) + payload;
        if (buffer.Length < Length + size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + size, Math.Max(buffer.Length * 2, 4096)));
            Written.CopyTo(larger);
            if (buffer.Length > 0)
                ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        var target = buffer.AsSpan(Length, size);
        Length += size;
        Count++;
        target[0] = EventsTag;
        target = target[1..];
        EventPayload.WriteVarint(ref target, (ulong)payload);
        return target;
    }
}
