using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Marionette.Silo.Database;

/// <summary>
/// The JSON that grain state is stored as: snake_case names and enum values, UTC times that sort as text.
/// </summary>
internal static class GrainStateJson
{
    /// <summary>
    /// Builds the options. The stored format is a contract: change it only with a migration of the rows.
    /// </summary>
    /// <param name="resolver">Source-generated type information; null: reflection.</param>
    public static JsonSerializerOptions CreateOptions(IJsonTypeInfoResolver? resolver = null)
    {
        var options = new JsonSerializerOptions
        {
            TypeInfoResolver = resolver ?? new DefaultJsonTypeInfoResolver(),
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            // jsonb orders an object's keys its own way, so a type discriminator need not come first.
            AllowOutOfOrderMetadataProperties = true,
            // The text goes into a column, never into a page: escaping for HTML would only make it longer.
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            Converters =
            {
                new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower),
                new SortableTimeConverter(),
                new NulSafeStringConverter(),
                new ImmutableArrayConverterFactory(),
            },
        };
        options.MakeReadOnly();
        return options;
    }

    /// <summary>Fixed width and always UTC, so that times order as text, which the generated columns rely on.</summary>
    private sealed class SortableTimeConverter : JsonConverter<DateTimeOffset>
    {
        private const string Format = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";

        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.UtcDateTime.ToString(Format, CultureInfo.InvariantCulture));
    }

    /// <summary>
    /// jsonb cannot hold U+0000, and a user may send one in any text. It is stored as U+FDD0 and a zero; U+FDD0 itself,
    /// a code point that stands for no character, is doubled.
    /// </summary>
    private sealed class NulSafeStringConverter : JsonConverter<string>
    {
        private const char Escape = '\uFDD0';
        private static readonly SearchValues<char> Special = SearchValues.Create('\0', Escape);

        public override string? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            Decode(reader.GetString());

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WriteStringValue(Encode(value));

        public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            Decode(reader.GetString())!;

        public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WritePropertyName(Encode(value));

        private static string Encode(string text) => text.AsSpan().ContainsAny(Special)
            ? text.Replace("\uFDD0", "\uFDD0\uFDD0", StringComparison.Ordinal)
                .Replace("\0", "\uFDD00", StringComparison.Ordinal)
            : text;

        private static string? Decode(string? text)
        {
            if (text is null || !text.Contains(Escape)) return text;
            var plain = new char[text.Length];
            var length = 0;
            for (var i = 0; i < text.Length; i++)
            {
                var escaped = text[i] == Escape && i + 1 < text.Length;
                if (escaped) i++;
                plain[length++] = escaped && text[i] == '0' ? '\0' : text[i];
            }

            return new string(plain, 0, length);
        }
    }

    /// <summary>Writes an array that was never set as an empty one, where the built-in converter throws.</summary>
    private sealed class ImmutableArrayConverterFactory : JsonConverterFactory
    {
        public override bool CanConvert(Type type) =>
            type.IsGenericType && type.GetGenericTypeDefinition() == typeof(ImmutableArray<>);

        public override JsonConverter CreateConverter(Type type, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(
                typeof(ImmutableArrayConverter<>).MakeGenericType(type.GetGenericArguments()))!;
    }

    private sealed class ImmutableArrayConverter<T> : JsonConverter<ImmutableArray<T>>
    {
        public override ImmutableArray<T> Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            JsonSerializer.Deserialize<T[]>(ref reader, options) is { } items ? [.. items] : [];

        public override void Write(Utf8JsonWriter writer, ImmutableArray<T> value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            foreach (var item in value.IsDefault ? [] : value) JsonSerializer.Serialize(writer, item, options);
            writer.WriteEndArray();
        }
    }
}
