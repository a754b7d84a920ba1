using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Marionette.Gateway.Streams;

/// <summary>An event on its way into a block.</summary>
/// <param name="Payload">JSON object in UTF-8; empty when it is larger than <see cref="EventBlockBuilder.LargePayload"/>.</param>
/// <param name="PayloadLength">Its real length.</param>
internal readonly record struct SourceEvent(
    StreamPosition Position, long Seq, string Type, string SessionId, string? TaskId, string? RunId, DateTimeOffset At,
    ReadOnlyMemory<byte> Payload, long PayloadLength);

/// <summary>
/// Frames events: <c>id:</c>, <c>data:</c> with the envelope in one line, blank line. There is no <c>event:</c> line, so a browser's
/// EventSource hands every type to <c>onmessage</c>. The stored payload goes in as it is.
/// </summary>
internal sealed class EventBlockBuilder(bool tenantStream, bool contiguous)
{
    /// <summary>Larger payloads are never held whole, in bytes.</summary>
    public const int LargePayload = 256 * 1024;

    /// <summary>A block is closed when it has reached this, in bytes.</summary>
    private const int BlockBytes = 256 * 1024;

    /// <summary>What follows the payload in a frame.</summary>
    public static ReadOnlySpan<byte> Tail => "}\n\n"u8;

    private static readonly SearchValues<byte> LineBreaks = SearchValues.Create("\r\n"u8);

    private readonly List<EventBlock> blocks = [];
    private readonly List<EventFrame> frames = [];
    private readonly ArrayBufferWriter<byte> buffer = new(4096);
    private StreamPosition after;

    /// <summary>Frames all events of a session's log that follow the position. What is missing between them is told as a gap.</summary>
    public static List<EventBlock> BuildLog(StreamPosition after, IEnumerable<SourceEvent> events) => Build(new(false, true) { after = after }, events);

    /// <summary>Frames some events of a session's log: those between them were left out by a filter.</summary>
    public static List<EventBlock> BuildSelection(StreamPosition after, IEnumerable<SourceEvent> events) => Build(new(false, false) { after = after }, events);

    /// <summary>Frames events of a tenant's stream.</summary>
    public static List<EventBlock> BuildTenant(StreamPosition after, IEnumerable<SourceEvent> events) => Build(new(true, false) { after = after }, events);

    private static List<EventBlock> Build(EventBlockBuilder builder, IEnumerable<SourceEvent> events)
    {
        foreach (var source in events) builder.Add(source);
        builder.Close();
        return builder.blocks;
    }

    private void Add(in SourceEvent source)
    {
        var large = source.PayloadLength > LargePayload;
        if (large) Close();
        if (contiguous && source.Seq != (frames.Count > 0 ? frames[^1].Position : after).Minor + 1)
        {
            AddGap(source);
            if (large) Close();
        }
        var start = buffer.WrittenCount;
        Write("id: "u8);
        WriteId(source.Position);
        Write("\ndata: "u8);
        var json = buffer.WrittenCount;
        WriteEnvelope(source);
        if (large)
        {
            frames.Add(new(source.Position, source.Type, source.TaskId, start, json, buffer.WrittenCount, buffer.WrittenCount, source.PayloadLength));
            Close();
            return;
        }
        WritePayload(source.Payload.Span);
        Write(Tail);
        frames.Add(new(source.Position, source.Type, source.TaskId, start, json, buffer.WrittenCount - 2, buffer.WrittenCount, 0));
        if (buffer.WrittenCount >= BlockBytes) Close();
    }

    /// <summary>Events that retention has removed: a reader is told, not left to notice.</summary>
    private void AddGap(in SourceEvent next)
    {
        var start = buffer.WrittenCount;
        var first = (frames.Count > 0 ? frames[^1].Position : after).Minor + 1;
        Write("data: "u8);
        var json = buffer.WrittenCount;
        Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"{{\"type\":\"gap\",\"session_id\":\"{next.SessionId}\",\"data\":{{\"first_missing\":{first},\"last_missing\":{next.Seq - 1}}}}}")));
        Write("\n\n"u8);
        var position = StreamPosition.OfSeq(next.Seq - 1);
        frames.Add(new(position, TypeFilter.Gap, null, start, json, buffer.WrittenCount - 2, buffer.WrittenCount, 0));
    }

    private void Close()
    {
        if (frames.Count == 0) return;
        var block = new EventBlock(after, buffer.WrittenSpan.ToArray(), [.. frames]);
        blocks.Add(block);
        after = block.Last;
        frames.Clear();
        buffer.Clear();
    }

    private void WriteEnvelope(in SourceEvent source)
    {
        Write("{\"seq\":"u8);
        WriteNumber(source.Seq);
        if (tenantStream)
        {
            Write(",\"cursor\":\""u8);
            WriteId(source.Position);
            Write("\""u8);
        }
        Write(",\"type\":"u8);
        WriteString(source.Type);
        Write(",\"time\":\""u8);
        var time = buffer.GetSpan(32);
        source.At.UtcDateTime.TryFormat(time, out var written, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        buffer.Advance(written);
        Write("\",\"session_id\":"u8);
        WriteString(source.SessionId);
        if (source.TaskId is not null)
        {
            Write(",\"task_id\":"u8);
            WriteString(source.TaskId);
        }
        if (source.RunId is not null)
        {
            Write(",\"run_id\":"u8);
            WriteString(source.RunId);
        }
        Write(",\"data\":"u8);
    }

    private void WritePayload(ReadOnlySpan<byte> payload)
    {
        var target = buffer.GetSpan(payload.Length)[..payload.Length];
        payload.CopyTo(target);
        KeepOnOneLine(target);
        buffer.Advance(payload.Length);
    }

    /// <summary>A line break in JSON can only stand between its tokens, where a blank says the same and does not end the SSE line.</summary>
    public static void KeepOnOneLine(Span<byte> json)
    {
        for (var i = json.IndexOfAny(LineBreaks); i >= 0; i = json.IndexOfAny(LineBreaks)) json[i] = (byte)' ';
    }

    private void WriteId(StreamPosition position)
    {
        if (tenantStream)
        {
            WriteNumber((long)position.Major);
            Write("."u8);
        }
        WriteNumber(position.Minor);
    }

    private void WriteNumber(long number)
    {
        Utf8Formatter.TryFormat(number, buffer.GetSpan(20), out var written);
        buffer.Advance(written);
    }

    // Types come from runners: one that needs escaping is not one of ours, but it must not break the envelope.
    private void WriteString(string text)
    {
        Write("\""u8);
        if (Ascii.IsValid(text) && !text.AsSpan().ContainsAny('"', '\\') && !text.AsSpan().ContainsAnyInRange('\0', '\u001f'))
        {
            var span = buffer.GetSpan(text.Length);
            Encoding.ASCII.GetBytes(text, span);
            buffer.Advance(text.Length);
        }
        else
        {
            Write(JsonEncodedText.Encode(text).EncodedUtf8Bytes);
        }
        Write("\""u8);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(buffer.GetSpan(bytes.Length));
        buffer.Advance(bytes.Length);
    }
}
