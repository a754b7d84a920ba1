using System.Text;
using System.Text.Json;
using Marionette.Gateway.Streams;

namespace Marionette.Gateway.Tests.Streams;

public sealed class EventBlockTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, 123, TimeSpan.Zero);

    [Fact]
    public void Event_Frame_IsIdAndEnvelopeInOneLine()
    {
        var block = EventBlockBuilder.BuildLog(StreamPosition.OfSeq(16), [Event(17, "tool_use", """{"a":1}""")]).Single();
        Assert.Equal(
            "id: 17\ndata: {\"seq\":17,\"type\":\"tool_use\",\"time\":\"2026-11-23T12:00:00.123Z\",\"session_id\":\"sess_1\",\"task_id\":\"task_1\","
            + "\"run_id\":\"trun_1\",\"data\":{\"a\":1}}\n\n", Encoding.UTF8.GetString(block.Bytes.Span));
        var frame = block.Frames[0];
        using var envelope = JsonDocument.Parse(block.Bytes[frame.JsonStart..frame.JsonEnd]);
        Assert.Equal(1, envelope.RootElement.GetProperty("data").GetProperty("a").GetInt32());
    }

    [Fact]
    public void PayloadWithLineBreaks_Frame_HasNone()
    {
        var block = EventBlockBuilder.BuildLog(StreamPosition.Start, [Event(1, "text", "{\r\n \"a\": \"x\\ny\"\n}")]).Single();
        var text = Encoding.UTF8.GetString(block.Bytes.Span);
        Assert.Equal(2, text.TrimEnd('\n').Split('\n').Length);
        using var envelope = JsonDocument.Parse(text.Split('\n')[1][6..]);
        Assert.Equal("x\ny", envelope.RootElement.GetProperty("data").GetProperty("a").GetString());
    }

    [Theory]
    [InlineData("a\"b")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("日本")]
    public void TypeOutsideOfTheSchema_Envelope_StaysJson(string type)
    {
        var block = EventBlockBuilder.BuildLog(StreamPosition.Start, [Event(1, type, "{}")]).Single();
        using var envelope = JsonDocument.Parse(block.Bytes[block.Frames[0].JsonStart..block.Frames[0].JsonEnd]);
        Assert.Equal(type, envelope.RootElement.GetProperty("type").GetString());
    }

    [Fact]
    public void MissingEvents_Log_SaysWhich()
    {
        var block = EventBlockBuilder.BuildLog(StreamPosition.OfSeq(2), [Event(6, "text", "{}"), Event(7, "text", "{}")]).Single();
        Assert.Equal(3, block.Frames.Length);
        var gap = block.Frames[0];
        Assert.Equal(5, gap.Position.Minor);
        Assert.Equal(
            """{"type":"gap","session_id":"sess_1","data":{"first_missing":3,"last_missing":5}}""",
            Encoding.UTF8.GetString(block.Bytes.Span[gap.JsonStart..gap.JsonEnd]));
        Assert.True(TypeFilter.Parse(["task.*"])!.Passes(gap.Type));
    }

    [Fact]
    public void Selection_MissingEvents_AreNoGap() =>
        Assert.Equal(2, EventBlockBuilder.BuildSelection(StreamPosition.Start, [Event(3, "text", "{}"), Event(9, "text", "{}")]).Single().Frames.Length);

    [Fact]
    public void LargePayload_StandsAlone_WithoutItsBytes()
    {
        var large = Event(2, "tool_result", "") with { PayloadLength = 20_000_000 };
        var blocks = EventBlockBuilder.BuildLog(StreamPosition.Start, [Event(1, "text", "{}"), large, Event(3, "text", "{}")]);
        Assert.Equal(3, blocks.Count);
        Assert.Equal(20_000_000, blocks[1].Frames[0].LargePayload);
        Assert.EndsWith("\"data\":", Encoding.UTF8.GetString(blocks[1].Bytes.Span), StringComparison.Ordinal);
        Assert.Equal([0L, 1, 2], blocks.Select(block => block.After.Minor));
    }

    [Fact]
    public void TenantEvent_Frame_HasTheCursorAsId()
    {
        var source = Event(4, "session.created", "{}") with { Position = new StreamPosition(900, 12) };
        var block = EventBlockBuilder.BuildTenant(new(899, 11), [source]).Single();
        Assert.StartsWith("id: 900.12\ndata: {\"seq\":4,\"cursor\":\"900.12\",", Encoding.UTF8.GetString(block.Bytes.Span), StringComparison.Ordinal);
    }

    private static SourceEvent Event(long seq, string type, string payload)
    {
        var bytes = Encoding.UTF8.GetBytes(payload);
        return new(StreamPosition.OfSeq(seq), seq, type, "sess_1", "task_1", "trun_1", Noon, bytes, bytes.Length);
    }
}
