using Marionette.Agent.Hosting;

namespace Marionette.Agent.Spool;

internal sealed partial class EventSpool
{
    /// <summary>
    /// Fills <paramref name="batch"/> with committed events from number <paramref name="from"/> on. A first event larger than
    /// <paramref name="maxBytes"/> goes alone.
    /// </summary>
    /// <returns>How many events the batch holds; 0 when there is nothing from there on.</returns>
    public int Read(long from, int maxEvents, int maxBytes, EventBatchBuffer batch)
    {
        batch.Start(from);
        lock (gate)
        {
            if (disposed || from <= Acked)
                return 0;
            var number = from;
            while (number <= Committed && batch.Count < maxEvents && ReadOne(number, maxBytes, batch))
                number++;
            handedOut = Math.Max(handedOut, number - 1);
            if (number > Committed && pending.Length == 0)
                TrimReader();
        }

        return batch.Count;
    }

    private bool ReadOne(long number, int maxBytes, EventBatchBuffer batch)
    {
        // The segment that was the last one when the cursor stopped may have a successor by now.
        if (cursorSegment is null || cursorNumber != number || number > cursorSegment.Last)
            Seek(number);
        var segment = cursorSegment!;
        if (number < segment.First)
            return AddLost(number, batch);
        var found = block.TryRecord(segment, cursorOffset, number, out var payload);
        if (found == SpoolRead.Intact && batch.Count > 0 && batch.Length + payload.Length > maxBytes)
            return false;
        if (found == SpoolRead.Intact)
            batch.Add(payload);
        else
            AddLost(number, batch);
        if (found != SpoolRead.End)
            cursorOffset += SpoolFormat.RecordHeaderSize + payload.Length;
        cursorNumber = number + 1;
        return true;
    }

    // Numbers have no gaps: an event that the medium lost goes out as what it is, a loss that everyone can see.
    private bool AddLost(long number, EventBatchBuffer batch)
    {
        log.SpoolLost(number);
        batch.Add(EventPayload.Lost(clock.GetUtcNow().ToUnixTimeMilliseconds()));
        return true;
    }

    private void Seek(long number)
    {
        var segment = segments.Find(candidate => candidate.Last >= number) ?? Tail;
        cursorSegment = segment;
        cursorNumber = segment.First;
        cursorOffset = SpoolFormat.SegmentHeaderSize;
        while (cursorNumber < number)
        {
            if (block.TryRecord(segment, cursorOffset, cursorNumber, out var payload) != SpoolRead.End)
                cursorOffset += SpoolFormat.RecordHeaderSize + payload.Length;
            cursorNumber++;
        }

        if (number < segment.First)
            cursorNumber = number; // a hole between two files
    }

    private List<byte[]> TakeUnsent()
    {
        var unsent = new List<byte[]>();
        for (var number = handedOut + 1; number <= Committed; number++)
        {
            if (cursorSegment is null || cursorNumber != number || number > cursorSegment.Last)
                Seek(number);
            if (block.TryRecord(cursorSegment!, cursorOffset, number, out var payload) != SpoolRead.Intact)
                continue;
            unsent.Add(payload.ToArray());
            cursorOffset += SpoolFormat.RecordHeaderSize + payload.Length;
            cursorNumber++;
        }

        cursorSegment = null;
        return unsent;
    }

    // Everything is sent: an idle agent keeps no window.
    private void TrimReader() => block.Dispose();
}
