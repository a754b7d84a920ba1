namespace Marionette.Gateway.Streams;

/// <summary>The newest blocks of a stream without a gap between them, bounded by number and bytes. Not thread-safe.</summary>
internal sealed class EventRing(int maxEvents, int maxBytes)
{
    private EventBlock[] blocks = new EventBlock[16];
    private int head, count, events, bytes;

    /// <summary>Position of the newest event that it was given.</summary>
    public StreamPosition End { get; private set; }

    /// <summary>Empties it; the next block has to follow this position.</summary>
    public void Reset(StreamPosition end)
    {
        Array.Clear(blocks);
        (head, count, events, bytes) = (0, 0, 0, 0);
        End = end;
    }

    /// <summary>Adds the newest block. One that does not follow the others starts the ring anew: it never has a gap.</summary>
    public void Append(EventBlock block)
    {
        if (block.After != End) Reset(block.After);
        if (count == blocks.Length) Grow();
        blocks[(head + count++) % blocks.Length] = block;
        events += block.Frames.Length;
        bytes += block.Size;
        End = block.Last;
        while (count > 1 && (events > maxEvents || bytes > maxBytes)) DropOldest();
    }

    /// <summary>The block that holds the event after the position; null when it is not here.</summary>
    public EventBlock? Find(StreamPosition after)
    {
        if (count == 0 || after < blocks[head].After || after >= End) return null;
        var (low, high) = (0, count - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (blocks[(head + middle) % blocks.Length].Last <= after) low = middle + 1;
            else high = middle;
        }
        return blocks[(head + low) % blocks.Length];
    }

    private void DropOldest()
    {
        events -= blocks[head].Frames.Length;
        bytes -= blocks[head].Size;
        blocks[head] = null!;
        head = (head + 1) % blocks.Length;
        count--;
    }

    private void Grow()
    {
        var larger = new EventBlock[blocks.Length * 2];
        for (var i = 0; i < count; i++) larger[i] = blocks[(head + i) % blocks.Length];
        (blocks, head) = (larger, 0);
    }
}
