using System.Collections.Immutable;
using System.Text.Json;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Views to JSON: rows of an older version may lack a member, and what says nothing is left out.</summary>
internal static class Shown
{
    /// <summary>The original's clients expect the member; nothing sets annotations yet.</summary>
    public static readonly ImmutableDictionary<string, string> NoAnnotations = ImmutableDictionary<string, string>.Empty;

    public static string? OrNull(string? text) => string.IsNullOrEmpty(text) ? null : text;

    /// <summary>JSON that stands in a view as text.</summary>
    public static JsonElement? Json(string? text)
    {
        if (text is null) return null;
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public static ImmutableArray<string> OrEmpty(ImmutableArray<string> items) => items.IsDefault ? [] : items;

    public static ImmutableDictionary<string, T> OrEmpty<T>(ImmutableDictionary<string, T>? items) => items ?? ImmutableDictionary<string, T>.Empty;
}

/// <summary>The values that a text member can have, for the OpenAPI document. A newer server may add some.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OneOfAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}
