using System.Text;
using Google.Protobuf;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Agent.Tests.Spool;

public sealed class EventSpoolTests
{
    private static readonly string[] ThreeLetters = ["a", "b", "c"];

    [Fact]
    public void Read_GivesWhatWasAppended_AsTheProtocolsMessages()
    {
        using var folder = new SpoolFolder();
        folder.Append("""{"text":"hä"}""", "text", "trun_7");
        folder.Append("""{}""", "runner.stopped", "");
        folder.Spool.Commit();

        var events = folder.ReadAll(1);

        Assert.Equal([1L, 2L], events.Select(e => e.Number));
        var expected = new Event { Type = "text", AtMs = 1234, Run = "trun_7", Data = ByteString.CopyFromUtf8("""{"text":"hä"}""") };
        Assert.Equal(expected, events[0].Event);
        Assert.Equal("", events[1].Event.Run);
    }

    [Fact]
    public void Read_GivesNothing_BeforeTheCommit()
    {
        using var folder = new SpoolFolder();
        folder.Append("a");
        Assert.Empty(folder.ReadAll(1));
        folder.Spool.Commit();
        Assert.Single(folder.ReadAll(1));
    }

    [Fact]
    public void Reopen_KeepsUnackedEventsAndNumbers()
    {
        using var folder = new SpoolFolder();
        foreach (var text in ThreeLetters)
            folder.Append(text);
        folder.Spool.Commit();
        folder.Spool.Acknowledge(1);

        folder.Reopen();

        Assert.Equal(1, folder.Spool.Acked);
        Assert.Equal(["b", "c"], folder.ReadAll(2).Select(e => e.Event.Data.ToStringUtf8()));
        Assert.Equal(4, folder.Append("d"));
    }

    [Fact]
    public void Reopen_KeepsNumbers_WhenEverythingWasAcknowledged()
    {
        using var folder = new SpoolFolder();
        folder.Append("a");
        folder.Append("b");
        folder.Spool.Commit();
        folder.Spool.Acknowledge(2);
        folder.Reopen();
        Assert.Equal(2, folder.Spool.Last);
        Assert.Equal(3, folder.Append("c"));
    }

    [Fact]
    public void Reopen_StartsFromNothingAcknowledged_WhenTheStateFileIsGone()
    {
        using var folder = new SpoolFolder();
        folder.Append("a");
        folder.Append("b");
        folder.Spool.Commit();
        folder.Spool.Acknowledge(1);
        File.Delete(Path.Combine(folder.Directory, "state"));
        folder.Reopen();
        Assert.Equal(0, folder.Spool.Acked);
        Assert.Equal(2, folder.Spool.Last);
    }

    [Fact]
    public void Crash_CutsATornTail_AndReusesItsNumber()
    {
        using var folder = new SpoolFolder();
        folder.Append("whole");
        folder.Append("torn");
        folder.Spool.Commit();

        folder.Crash(segment =>
        {
            using var file = File.OpenWrite(segment);
            file.SetLength(file.Length - 2);
        });

        Assert.Equal(["whole"], folder.ReadAll(1).Select(e => e.Event.Data.ToStringUtf8()));
        Assert.Equal(2, folder.Append("again"));
    }

    [Fact]
    public void Read_TellsOfALoss_WhereTheMediumDamagedARecord()
    {
        using var folder = new SpoolFolder(new SpoolOptions { SegmentBytes = 32 });
        foreach (var text in ThreeLetters)
        {
            folder.Append(text);
            folder.Spool.Commit(); // one segment each
        }

        folder.Crash();
        var first = folder.Segments.First();
        var bytes = File.ReadAllBytes(first);
        bytes[^1] ^= 1;
        File.WriteAllBytes(first, bytes);
        folder.Reopen();

        var events = folder.ReadAll(1);
        Assert.Equal([1L, 2L, 3L], events.Select(e => e.Number));
        Assert.Contains("lost", events[0].Event.Data.ToStringUtf8());
        Assert.Equal("b", events[1].Event.Data.ToStringUtf8());
    }

    [Fact]
    public void Read_TellsOfALoss_WhereAWholeSegmentIsGone()
    {
        using var folder = new SpoolFolder(new SpoolOptions { SegmentBytes = 32 });
        foreach (var text in ThreeLetters)
        {
            folder.Append(text);
            folder.Spool.Commit();
        }

        folder.Crash();
        File.Delete(folder.Segments.ElementAt(1));
        folder.Reopen();

        var events = folder.ReadAll(1);
        Assert.Equal([1L, 2L, 3L], events.Select(e => e.Number));
        Assert.Contains("lost", events[1].Event.Data.ToStringUtf8());
        Assert.Equal("c", events[2].Event.Data.ToStringUtf8());
    }

    [Fact]
    public void Read_SendsAnOversizedEventAlone()
    {
        using var folder = new SpoolFolder();
        folder.Append("small");
        folder.Append(new string('x', 100_000));
        folder.Append("small");
        folder.Spool.Commit();
        using var batch = new EventBatchBuffer();
        Assert.Equal(1, folder.Spool.Read(1, 512, 1000, batch));
        Assert.Equal(1, folder.Spool.Read(2, 512, 1000, batch));
        Assert.Equal(1, folder.Spool.Read(3, 512, 1000, batch));
    }

    [Fact]
    public void Acknowledge_DeletesSegments_AndKeepsTheDiskSmall()
    {
        using var folder = new SpoolFolder(new SpoolOptions { SegmentBytes = 1000 });
        var payload = new string('x', 300);
        for (var i = 0; i < 100; i++)
        {
            folder.Append(payload);
            folder.Spool.Commit();
        }

        Assert.True(folder.Segments.Count() > 20);
        folder.Spool.Acknowledge(100);
        Assert.Single(folder.Segments);
        Assert.True(new FileInfo(folder.Segments.Single()).Length < 1000);
        Assert.Equal(0, folder.Spool.UnackedBytes);
    }

    [Fact]
    public async Task WaitForSpace_HoldsBack_UntilAcknowledgementsMakeRoom()
    {
        using var folder = new SpoolFolder(new SpoolOptions { MaxBytes = 5000, SegmentBytes = 1000 });
        while (folder.Spool.WaitForSpaceAsync(CancellationToken.None).AsTask().IsCompleted)
        {
            folder.Append(new string('x', 100));
            folder.Spool.Commit();
        }

        Assert.InRange(folder.Spool.UnackedBytes, 5000, 6000);
        var room = folder.Spool.WaitForSpaceAsync(CancellationToken.None).AsTask();
        Assert.False(room.IsCompleted);
        folder.Spool.Acknowledge(folder.Spool.Last);
        await room.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Commit_HoldsBackAndTriesAgain_WhileTheDiskRefuses()
    {
        var clock = new FakeTimeProvider();
        using var folder = new SpoolFolder(new SpoolOptions { SegmentBytes = 32 }, clock);
        folder.Append("first");
        folder.Spool.Commit();
        // The next commit needs a new segment, and a folder stands where its file should be.
        var obstacle = Path.Combine(folder.Directory, "00000000000000000002.seg");
        Directory.CreateDirectory(obstacle);

        folder.Append("second");
        folder.Spool.Commit();
        var room = folder.Spool.WaitForSpaceAsync(CancellationToken.None).AsTask();
        Assert.False(room.IsCompleted);
        Assert.Equal(1, folder.Spool.Committed);

        Directory.Delete(obstacle);
        clock.Advance(TimeSpan.FromSeconds(1));
        await room.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(["first", "second"], folder.ReadAll(1).Select(e => e.Event.Data.ToStringUtf8()));
    }

    [Fact]
    public void Acknowledge_BeyondTheEnd_GivesUnsentEventsNewNumbers()
    {
        // A power loss took events 2 and 3 from the disk after the server had them.
        using var folder = new SpoolFolder();
        folder.Append("known");
        folder.Spool.Commit();
        folder.Crash();
        folder.Append("of the new process");
        folder.Spool.Commit();

        folder.Spool.Acknowledge(3);

        var rest = Assert.Single(folder.ReadAll(4));
        Assert.Equal("of the new process", rest.Event.Data.ToStringUtf8());
        Assert.Equal(5, folder.Append("next"));
        folder.Reopen();
        Assert.Equal(5, folder.Spool.Last);
    }

    [Fact]
    public async Task WhenAcked_Completes_WithTheLastAcknowledgement()
    {
        using var folder = new SpoolFolder();
        folder.Append("a");
        folder.Append("b");
        folder.Spool.Commit();
        var done = folder.Spool.WhenAckedAsync(2, CancellationToken.None);
        folder.Spool.Acknowledge(1);
        Assert.False(done.IsCompleted);
        folder.Spool.Acknowledge(2);
        await done.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void Varint_AgreesWithTheLibrary_AtEveryLength()
    {
        Span<byte> buffer = stackalloc byte[16];
        for (var shift = 0; shift < 64; shift++)
        {
            foreach (var value in new[] { 1UL << shift, (1UL << shift) - 1 })
            {
                var rest = buffer;
                EventPayload.WriteVarint(ref rest, value);
                Assert.Equal(CodedOutputStream.ComputeUInt64Size(value), EventPayload.VarintSize(value));
                Assert.Equal(CodedOutputStream.ComputeUInt64Size(value), buffer.Length - rest.Length);
                var stream = new CodedInputStream(buffer.ToArray());
                Assert.Equal(value, stream.ReadUInt64());
            }
        }
    }

    [Fact]
    public void Crc_IsCrc32C()
    {
        // The check value of the catalogue: CRC-32C of "123456789".
        var header = new byte[SpoolFormat.SegmentHeaderSize];
        SpoolFormat.WriteSegmentHeader(header, 1);
        Assert.True(SpoolFormat.TryReadSegmentHeader(header, out var first));
        Assert.Equal(1, first);
        Assert.Equal(0xE3069283u, SpoolFormat.Crc32C(Encoding.ASCII.GetBytes("123456789")));
        header[9] ^= 1;
        Assert.False(SpoolFormat.TryReadSegmentHeader(header, out _));
    }
}
