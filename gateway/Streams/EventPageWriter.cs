using System.Buffers;
using System.Text;

namespace Marionette.Gateway.Streams;

/// <summary>Writes stored events as one JSON page, without taking their payloads apart.</summary>
internal static class EventPageWriter
{
    /// <param name="readPiece">Reads a part of a payload that is too large to be in the page.</param>
    public static async Task WriteAsync(
        HttpContext http, EventPage page, string cursor, Func<StreamPosition, long, Task<byte[]>> readPiece)
    {
        http.Response.ContentType = "application/json";
        var writer = http.Response.BodyWriter;
        writer.Write("{\"items\":["u8);
        var first = true;
        foreach (var block in page.Blocks)
        {
            for (var i = 0; i < block.Frames.Length; i++)
            {
                var frame = block.Frames[i];
                if (!first) writer.Write(","u8);
                first = false;
                writer.Write(block.Bytes.Span[frame.JsonStart..frame.JsonEnd]);
                if (frame.LargePayload == 0) continue;
                for (var offset = 0L; offset < frame.LargePayload;)
                {
                    var piece = await readPiece(frame.Position, offset);
                    if (piece.Length == 0) throw new InvalidDataException($"The payload at {frame.Position} is shorter than its length.");
                    writer.Write(piece);
                    offset += piece.Length;
                    await writer.FlushAsync(http.RequestAborted);
                }
                writer.Write("}"u8);
            }
            await writer.FlushAsync(http.RequestAborted);
        }
        writer.Write(Encoding.ASCII.GetBytes($"],\"has_more\":{(page.HasMore ? "true" : "false")},\"next_cursor\":\"{cursor}\"}}"));
        await writer.FlushAsync(http.RequestAborted);
    }
}
