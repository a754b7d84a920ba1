using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Marionette.Agent.Events;

/// <summary>Makes an event's data fit: the longest string in it is cut and says so, and <c>truncated</c> is set.</summary>
internal static class PayloadLimit
{
    private const int Rounds = 8;
    private const int Overhead = 256;

    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="data">One JSON object, longer than <paramref name="limit"/>.</param>
    /// <param name="limit">Bytes that the result may have.</param>
    public static byte[] Cut(ReadOnlyMemory<byte> data, int limit)
    {
        for (var round = 0; round < Rounds && data.Length > limit; round++)
            data = CutLongest(data, data.Length - limit + Overhead);
        // Nothing long to cut (a huge array of small things): what is left is the fact.
        return data.Length <= limit ? data.ToArray() : """{"truncated":true}"""u8.ToArray();
    }

    private static ReadOnlyMemory<byte> CutLongest(ReadOnlyMemory<byte> data, int excess)
    {
        using var document = JsonDocument.Parse(data);
        var longest = 0;
        Measure(document.RootElement, ref longest);
        var output = new ArrayBufferWriter<byte>(data.Length);
        using (var json = new Utf8JsonWriter(output, Options))
        {
            json.WriteStartObject();
            var done = false;
            foreach (var member in document.RootElement.EnumerateObject().Where(member => member.Name != "truncated"))
            {
                json.WritePropertyName(member.Name);
                Copy(json, member.Value, longest, excess, ref done);
            }

            json.WriteBoolean("truncated"u8, true);
            json.WriteEndObject();
        }

        return output.WrittenMemory;
    }

    private static void Measure(JsonElement element, ref int longest)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                longest = Math.Max(longest, element.GetRawText().Length);
                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                    Measure(member.Value, ref longest);
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    Measure(item, ref longest);
                break;
        }
    }

    private static void Copy(Utf8JsonWriter json, JsonElement element, int longest, int excess, ref bool done)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var member in element.EnumerateObject())
                {
                    json.WritePropertyName(member.Name);
                    Copy(json, member.Value, longest, excess, ref done);
                }

                json.WriteEndObject();
                break;
            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                    Copy(json, item, longest, excess, ref done);
                json.WriteEndArray();
                break;
            case JsonValueKind.String when !done && element.GetRawText().Length == longest:
                done = true;
                json.WriteStringValue(Shorten(element.GetString()!, excess));
                break;
            default:
                element.WriteTo(json);
                break;
        }
    }

    private static byte[] Shorten(string text, int excess)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Utf8Text.Head(bytes, Math.Max(0, bytes.Length - excess));
    }
}
