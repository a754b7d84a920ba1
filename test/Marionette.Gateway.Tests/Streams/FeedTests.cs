using System.Collections.Immutable;
using System.Text.Json;
using FsCheck;
using FsCheck.Xunit;
using Marionette.Gateway.Streams;
using Marionette.Gateway.Tests.Support;
using Marionette.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Gateway.Tests.Streams;

public sealed class FeedTests
{
    private static readonly GatewayOptions Options = new()
    {
        MasterKey = new(new byte[32]), RingEvents = 8, RingBytes = 4096, Heartbeat = TimeSpan.FromSeconds(10),
    };

    private readonly FakeTimeProvider clock = new();
    private readonly FakeLog log = new();

    [Property(MaxTest = 30)]
    public async Task AnyInterleaving_EveryReader_SeesEachEventOnceInOrder(byte[] script)
    {
        await using var feed = Open();
        var readers = new List<SseClient> { Read(feed) };
        var held = ImmutableArray<LoggedEvent>.Empty;
        foreach (var step in script)
        {
            var amount = step / 8 % 8 + 1;
            switch (step % 8)
            {
                case 0 or 1:
                    await log.TellAsync(log.Append(amount));
                    break;
                case 2: // lost
                    log.Append(amount);
                    break;
                case 3: // overtaken by the next
                    await log.TellAsync(held);
                    held = log.Append(amount);
                    break;
                case 4:
                    readers[amount % readers.Count].Take(amount * 40);
                    break;
                case 5:
                    log.FailNext(amount % 3);
                    break;
                case 6 when readers.Count < 4:
                    readers.Add(Read(feed, after: log.Head * (amount - 1) / 8));
                    break;
                default:
                    clock.Advance(TimeSpan.FromMilliseconds(200));
                    feed.Tick();
                    break;
            }
        }
        await log.TellAsync(held);
        await DrainAsync(feed, readers, log.Head);
        foreach (var reader in readers)
        {
            Assert.Equal(Enumerable.Range(1, (int)log.Head).Select(n => (long)n).Where(n => n > reader.After), reader.Seqs);
            await reader.DisposeAsync();
        }
    }

    [Fact]
    public async Task LastWordLost_NextRenewal_BringsIt()
    {
        await using var feed = Open();
        var reader = Read(feed);
        await log.TellAsync(log.Append(3));
        log.Append(2);
        await DrainAsync(feed, [reader], 5);
        Assert.Equal([1, 2, 3, 4, 5], reader.Seqs);
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task StalledReader_NewEvents_DoNotReachItsPipeNorHoldOthers()
    {
        await using var feed = Open();
        var (stalled, brisk) = (Read(feed), Read(feed));
        for (var i = 0; i < 100; i++)
        {
            await log.TellAsync(log.Append(5));
            brisk.Take(1 << 20);
        }
        await DrainAsync(feed, [brisk], 500);
        Assert.Equal(500, brisk.Seqs.Count);
        Assert.Empty(stalled.Seqs);
        await DrainAsync(feed, [stalled], 500);
        Assert.Equal(Enumerable.Range(1, 500).Select(n => (long)n), stalled.Seqs);
        await stalled.DisposeAsync();
        await brisk.DisposeAsync();
    }

    [Fact]
    public async Task ManyReadersOfOnePage_Store_IsAskedOnceForEachPage()
    {
        log.Append(50);
        await using var feed = Open(head: 50);
        var readers = Enumerable.Range(0, 20).Select(_ => Read(feed)).ToList();
        await DrainAsync(feed, readers, 50);
        Assert.All(readers, reader => Assert.Equal(50, reader.Seqs.Count));
        // Ten pages. Readers are not in step to the end, so some pages may be read again, but not by each of them.
        Assert.InRange(log.Reads, 10, 60);
        foreach (var reader in readers) await reader.DisposeAsync();
    }

    [Fact]
    public async Task LargeEvent_IsSentInPieces_WholeAndOnOneLine()
    {
        log.Append(1);
        var large = log.Append(1, size: 2_500_000);
        log.Append(1);
        await using var feed = Open(head: 3);
        await log.TellAsync(large);
        var reader = Read(feed, until: 3);
        while (!reader.EndAsync().IsCompleted)
        {
            reader.Take(1 << 20);
            await Task.Yield();
        }
        reader.Take(1 << 20);
        Assert.Equal([1, 2, 3], reader.Seqs);
        var line = reader.Text.Split("\n\n")[1].Split('\n').Single(part => part.StartsWith("data: ", StringComparison.Ordinal));
        using var envelope = JsonDocument.Parse(line[6..]);
        Assert.Equal(2, envelope.RootElement.GetProperty("data").GetProperty("n").GetInt32());
        Assert.Equal(2_500_000, envelope.RootElement.GetProperty("data").GetProperty("fill").GetString()!.Length);
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task FilteredReader_Heartbeat_CarriesTheSeqThatItHasPassed()
    {
        log.Append(2); // neither is a text
        await using var feed = Open(head: 2);
        var reader = Read(feed, filter: TypeFilter.Parse(["text"]));
        await EventuallyAsync(() =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            feed.Tick();
            reader.Take(1 << 20);
            return reader.Text.Length > 0;
        });
        Assert.Equal(": hb\nid: 2\n\n", reader.Text);
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task Until_IsReached_PumpEnds()
    {
        log.Append(4);
        await using var feed = Open(head: 4);
        var reader = Read(feed, after: 1, until: 4);
        await EventuallyAsync(() =>
        {
            reader.Take(1 << 20);
            return reader.EndAsync().IsCompleted;
        });
        reader.Take(1 << 20);
        Assert.Equal([2, 3, 4], reader.Seqs);
        Assert.Equal(StreamPosition.OfSeq(4), await reader.EndAsync());
    }

    private SessionFeed Open(long head = 0) => new(
        FakeLog.Tenant, FakeLog.Session, head, log.Grains, log, Options, new SemaphoreSlim(8, 8), clock, NullLogger.Instance);

    private SseClient Read(SessionFeed feed, long after = 0, TypeFilter? filter = null, long? until = null) =>
        new(feed, Options, clock, after, filter, until);

    private Task DrainAsync(SessionFeed feed, List<SseClient> readers, long head) => EventuallyAsync(() =>
    {
        clock.Advance(TimeSpan.FromMilliseconds(250));
        feed.Tick();
        foreach (var reader in readers) reader.Take(1 << 20);
        return readers.All(reader => reader.After >= head || (reader.Seqs is [.., var last] && last >= head));
    });

    private static async Task EventuallyAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!holds())
        {
            Assert.False(limit.IsCancellationRequested, "The readers did not get there within 60 s.");
            // The pause between two looks; the condition decides.
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }
}
