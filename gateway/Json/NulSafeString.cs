using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Marionette.Gateway.Json;

/// <summary>
/// jsonb holds no U+0000, so rows have U+FDD0 and a zero in its place, and U+FDD0 itself doubled. This is the reading side; the
/// writing one is the silo's.
/// </summary>
internal sealed class NulSafeString : JsonConverter<string>
{
    private const char Escape = '\uFDD0';

    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Decode(reader.GetString());

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
        throw new NotSupportedException("The gateway never writes state rows.");

    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Decode(reader.GetString())!;

    private static string? Decode(string? text)
    {
        if (text is null || !text.Contains(Escape)) return text;
        var plain = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != Escape || i + 1 == text.Length) plain.Append(text[i]);
            else plain.Append(text[++i] == '0' ? '\0' : text[i]);
        }
        return plain.ToString();
    }
}
