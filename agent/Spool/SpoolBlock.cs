using System.Buffers;

namespace Marionette.Agent.Spool;

/// <summary>What stands at a place of a segment.</summary>
internal enum SpoolRead
{
    /// <summary>A record with a right sum.</summary>
    Intact,

    /// <summary>A record of a plausible length with a wrong sum: the next one can still be found.</summary>
    Damaged,

    /// <summary>No record that could be read: the end, a torn write, or a length that cannot be.</summary>
    End,
}

/// <summary>Reads records of a segment through a pooled window, so that small records cost no system call each.</summary>
internal sealed class SpoolBlock : IDisposable
{
    private const int WindowSize = 256 * 1024;

    private byte[]? window;
    private SpoolSegment? segment;
    private long start;
    private int filled;

    /// <summary>Reads the record at <paramref name="offset"/>; the payload is valid until the next call.</summary>
    public SpoolRead TryRecord(SpoolSegment source, long offset, long number, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (!TryView(source, offset, SpoolFormat.RecordHeaderSize, out var header))
            return SpoolRead.End;
        var length = SpoolFormat.ReadLength(header);
        if (length < 0 || !TryView(source, offset, SpoolFormat.RecordHeaderSize + length, out var record))
            return SpoolRead.End;
        payload = record[SpoolFormat.RecordHeaderSize..];
        return SpoolFormat.IsIntact(record, number, payload) ? SpoolRead.Intact : SpoolRead.Damaged;
    }

    /// <summary>Forgets what was read and gives the memory back.</summary>
    public void Dispose()
    {
        if (window is not null)
            ArrayPool<byte>.Shared.Return(window);
        window = null;
        segment = null;
        filled = 0;
    }

    private bool TryView(SpoolSegment source, long offset, int size, out ReadOnlySpan<byte> view)
    {
        view = default;
        if (offset + size > source.Length)
            return false;
        var inWindow = ReferenceEquals(source, segment) && offset >= start && offset + size <= start + filled;
        if (!inWindow && !Fill(source, offset, size))
            return false;
        view = window.AsSpan((int)(offset - start), size);
        return true;
    }

    private bool Fill(SpoolSegment source, long offset, int size)
    {
        var wanted = (int)Math.Min(Math.Max(size, WindowSize), source.Length - offset);
        if (window is null || window.Length < wanted || (window.Length > 8 * WindowSize && wanted <= WindowSize))
        {
            Dispose();
            window = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, WindowSize / 4));
        }

        segment = source;
        start = offset;
        filled = 0;
        while (filled < wanted)
        {
            var read = source.Read(window.AsSpan(filled, wanted - filled), offset + filled);
            if (read == 0)
                break;
            filled += read;
        }

        return filled >= size;
    }
}
