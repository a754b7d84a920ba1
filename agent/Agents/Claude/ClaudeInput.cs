using System.Text.Encodings.Web;
using System.Text.Json;

namespace Marionette.Agent.Agents.Claude;

/// <summary>The input that an allowed tool gets.</summary>
internal static class ClaudeInput
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The changed input on one line, or the original when nothing was changed.</summary>
    /// <returns>False when the changed input is no JSON object.</returns>
    public static bool TryChoose(byte[] original, ReadOnlyMemory<byte> updated, out ReadOnlyMemory<byte> input)
    {
        input = original;
        if (updated.IsEmpty)
            return true;
        try
        {
            using var document = JsonDocument.Parse(updated);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return false;
            var buffer = new System.Buffers.ArrayBufferWriter<byte>(updated.Length);
            using (var json = new Utf8JsonWriter(buffer, Compact))
                document.RootElement.WriteTo(json);
            input = buffer.WrittenMemory;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
