using System.Buffers;

namespace Marionette.Agent.Spool;

/// <summary>Records on their way to the file.</summary>
internal sealed class RecordBuffer
{
    private const int Kept = 512 * 1024;

    private byte[] buffer = [];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => buffer.AsSpan(0, Length);

    public void Add(long number, in EventPayload payload)
    {
        var size = payload.Size;
        var target = Reserve(SpoolFormat.RecordHeaderSize + size);
        payload.Write(target[SpoolFormat.RecordHeaderSize..]);
        SpoolFormat.WriteRecordHeader(target, number, target[SpoolFormat.RecordHeaderSize..]);
    }

    public void Add(long number, ReadOnlySpan<byte> payload)
    {
        var target = Reserve(SpoolFormat.RecordHeaderSize + payload.Length);
        payload.CopyTo(target[SpoolFormat.RecordHeaderSize..]);
        SpoolFormat.WriteRecordHeader(target, number, payload);
    }

    /// <summary>Forgets the records, and gives the memory of a burst back.</summary>
    public void Clear()
    {
        Length = 0;
        if (buffer.Length <= Kept)
            return;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }

    private Span<byte> Reserve(int size)
    {
        if (buffer.Length < Length + size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + size, Math.Min(buffer.Length * 2, Kept)));
            Written.CopyTo(larger);
            if (buffer.Length > 0)
                ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        var target = buffer.AsSpan(Length, size);
        Length += size;
        return target;
    }
}
