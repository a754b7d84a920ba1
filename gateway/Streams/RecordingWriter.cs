using System.Buffers;
using System.Text.Json;
using Marionette.Sessions;

namespace Marionette.Gateway.Streams;

/// <summary>Writes a session's log as a recording (docs/reference/formats/recording.md), piece by piece: it may be larger than memory.</summary>
internal static class RecordingWriter
{
    public const string MediaType = "application/x-ndjson";
    public const string Format = "marionette.recording";
    private const int Version = 1;

    /// <param name="head">Seq of the last event that belongs to it.</param>
    public static async Task WriteAsync(
        HttpContext http, IEventStore store, string tenant, SessionView session, long head, DateTimeOffset now)
    {
        http.Response.ContentType = MediaType;
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{session.Id}.ndjson\"";
        var writer = http.Response.BodyWriter;
        WriteHeader(writer, session, head, now);
        var after = 0L;
        while (after < head)
        {
            var blocks = await store.ReadSessionAsync(tenant, session.Id, after, http.RequestAborted);
            if (blocks.Count == 0) return;
            foreach (var block in blocks)
            {
                await WriteAsync(http, store, session.Id, block, head);
                after = block.Last.Minor;
            }
        }
        await writer.FlushAsync(http.RequestAborted);
    }

    private static async Task WriteAsync(HttpContext http, IEventStore store, string session, EventBlock block, long head)
    {
        var writer = http.Response.BodyWriter;
        for (var i = 0; i < block.Frames.Length; i++)
        {
            var frame = block.Frames[i];
            if (frame.Position.Minor > head) break;
            writer.Write(block.Bytes.Span[frame.JsonStart..frame.JsonEnd]);
            for (var offset = 0L; offset < frame.LargePayload;)
            {
                var piece = await store.ReadPayloadAsync(session, frame.Position.Minor, offset, EventFeed.PieceBytes, http.RequestAborted);
                if (piece.Length == 0) throw new InvalidDataException($"The payload at {frame.Position} is shorter than its length.");
                writer.Write(piece);
                offset += piece.Length;
                await writer.FlushAsync(http.RequestAborted);
            }
            writer.Write(frame.LargePayload > 0 ? "}\n"u8 : "\n"u8);
        }
        await writer.FlushAsync(http.RequestAborted);
    }

    private static void WriteHeader(IBufferWriter<byte> writer, SessionView session, long head, DateTimeOffset now)
    {
        using (var json = new Utf8JsonWriter(writer))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            json.WriteString("exported_at", now.UtcDateTime);
            json.WriteNumber("events", head);
            json.WriteStartObject("session");
            json.WriteString("id", session.Id);
            json.WriteString("agent", session.Agent);
            if (session.AgentVersion is { } version) json.WriteString("agent_version", version);
            if (session.Model is { } model) json.WriteString("model", model);
            json.WriteString("permission_mode", session.PermissionMode);
            json.WriteString("created_at", session.CreatedAt.UtcDateTime);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        writer.Write("\n"u8);
    }
}
