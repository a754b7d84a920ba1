using System.Collections.Frozen;
using System.Text.Json;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Enum values as they stand in JSON and in rows: snake_case.</summary>
internal static class EnumText<T> where T : struct, Enum
{
    private static readonly FrozenDictionary<T, string> Texts =
        Enum.GetValues<T>().ToFrozenDictionary(value => value, value => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()));

    private static readonly FrozenDictionary<string, T> Values = Texts.ToFrozenDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    public static string Of(T value) => Texts.GetValueOrDefault(value, "unknown");

    /// <summary>A text of a newer version is the enum's zero, "unknown".</summary>
    public static T Parse(string? text) => text is not null && Values.TryGetValue(text, out var value) ? value : default;

    /// <summary>What a filter takes: all but "unknown".</summary>
    public static IEnumerable<string> Filters => Values.Keys.Where(text => text != "unknown").Order(StringComparer.Ordinal);
}
