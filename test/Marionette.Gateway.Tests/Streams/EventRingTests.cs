using FsCheck.Xunit;
using Marionette.Gateway.Streams;

namespace Marionette.Gateway.Tests.Streams;

public sealed class EventRingTests
{
    [Property]
    public void AnyBlocks_Find_GivesTheBlockWithTheNextEventOrNothing(byte[] sizes)
    {
        var ring = new EventRing(maxEvents: 20, maxBytes: 1 << 20);
        var last = 0L;
        foreach (var size in sizes)
        {
            if (size % 7 == 6) last += 3; // events that were never seen here
            var count = size % 5 + 1;
            ring.Append(Block(last, count));
            last += count;
        }
        var found = Enumerable.Range(0, (int)last + 2).Select(n => (long)n).Where(after => ring.Find(StreamPosition.OfSeq(after)) is { } block
            && block.Frames[block.IndexAfter(StreamPosition.OfSeq(after))].Position.Minor == after + 1).ToList();
        var any = Enumerable.Range(0, (int)last + 2).Count(after => ring.Find(StreamPosition.OfSeq(after)) is not null);
        Assert.Equal(any, found.Count); // what it gives is always the very next event
        if (sizes.Length == 0) return;
        Assert.Equal(last - 1, found[^1]); // the newest is always there
        Assert.Equal(Enumerable.Range((int)found[0], found.Count).Select(n => (long)n), found); // without a gap
        Assert.InRange(found.Count, 1, 25);
    }

    [Fact]
    public void BytesOverLimit_OldestBlocks_AreDropped()
    {
        var ring = new EventRing(maxEvents: 1000, maxBytes: 2 * Block(0, 4).Size);
        ring.Append(Block(0, 4));
        ring.Append(Block(4, 4));
        ring.Append(Block(8, 4));
        Assert.Null(ring.Find(StreamPosition.OfSeq(3)));
        Assert.NotNull(ring.Find(StreamPosition.OfSeq(11)));
    }

    private static EventBlock Block(long after, int count) => EventBlockBuilder.BuildLog(
        StreamPosition.OfSeq(after),
        Enumerable.Range(1, count).Select(i => new SourceEvent(
            StreamPosition.OfSeq(after + i), after + i, "text", "sess_1", null, null, DateTimeOffset.UnixEpoch, "{}"u8.ToArray(), 2))).Single();
}
