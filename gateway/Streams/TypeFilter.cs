using System.Collections.Concurrent;

namespace Marionette.Gateway.Streams;

/// <summary>
/// The <c>types=</c> of a request: exact types and <c>prefix.*</c>; <c>*</c> or nothing is everything. Compiled once for a reader.
/// </summary>
internal sealed class TypeFilter
{
    /// <summary>Notice of removed events; it passes every filter.</summary>
    public const string Gap = "gap";

    /// <summary>Everything.</summary>
    public static readonly TypeFilter None = new([]);

    private const int MaxPatterns = 64, MaxLength = 64, MaxKnown = 512;

    private readonly string[] patterns;
    // Types of agents are an open set: the memory of answers is bounded.
    private readonly ConcurrentDictionary<string, bool> known = new(StringComparer.Ordinal);

    private TypeFilter(string[] patterns) => this.patterns = patterns;

    /// <summary>Lets everything pass.</summary>
    public bool IsOpen => patterns.Length == 0;

    /// <summary>As SQL <c>like</c> patterns.</summary>
    public string[] LikePatterns => [.. patterns.Select(pattern => pattern.EndsWith(".*", StringComparison.Ordinal)
        ? Escape(pattern[..^1]) + "%" : Escape(pattern))];

    /// <summary>From repeated or comma-separated values; null when one cannot be a type.</summary>
    public static TypeFilter? Parse(IEnumerable<string?> values)
    {
        var patterns = values.SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).Distinct().ToArray();
        if (patterns.Length == 0 || patterns.Contains("*")) return None;
        return patterns.Length > MaxPatterns || !patterns.All(IsPattern) ? null : new TypeFilter(patterns);
    }

    public bool Passes(string type)
    {
        if (IsOpen || type == Gap) return true;
        if (known.TryGetValue(type, out var passes)) return passes;
        passes = patterns.Any(pattern => pattern == type
            || (pattern.EndsWith(".*", StringComparison.Ordinal) && type.AsSpan().StartsWith(pattern.AsSpan(0, pattern.Length - 1))));
        if (known.Count < MaxKnown) known[type] = passes;
        return passes;
    }

    private static bool IsPattern(string pattern)
    {
        var name = pattern.EndsWith(".*", StringComparison.Ordinal) ? pattern[..^2] : pattern;
        return name.Length is > 0 and <= MaxLength && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
    }

    private static string Escape(string text) => text.Replace("_", "\\_", StringComparison.Ordinal);
}
