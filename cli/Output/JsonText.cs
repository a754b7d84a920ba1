using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Output;

/// <summary>Writes JSON for people: letters of any script stay letters, control characters are still escaped.</summary>
internal static class JsonText
{
    public static string Indented(JsonElement element) => Write(element, indented: true);

    public static string Compact(JsonElement element) => Write(element, indented: false);

    public static JsonElement ToElement(JsonNode node) => JsonRead.Parse(node.ToJsonString());

    private static string Write(JsonElement element, bool indented)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = indented, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            element.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
