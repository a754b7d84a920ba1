using System.Collections.Immutable;
using System.Text;

namespace Marionette.Gateway.Rest;

/// <summary>Collects every wrong field of a request before it answers.</summary>
internal sealed class FieldErrors
{
    private readonly ImmutableArray<FieldError>.Builder errors = ImmutableArray.CreateBuilder<FieldError>();

    public void Add(string field, string message) => errors.Add(new FieldError(field, message));

    /// <exception cref="MarionetteException">Invalid, if there are any.</exception>
    public void ThrowIfAny()
    {
        if (errors.Count > 0) throw new MarionetteException(errors.ToImmutable());
    }

    /// <summary>Text within a length, without control characters (line breaks and tabs only where <paramref name="multiline"/>).</summary>
    public string? Text(string field, string? value, int maxLength, bool multiline = false)
    {
        if (value is null) return null;
        if (value.Length > maxLength) Add(field, $"must have at most {maxLength} characters");
        else if (HasControl(value, multiline)) Add(field, "must not hold control characters");
        return value;
    }

    public int Number(string field, int? value, int min, int max, int whenAbsent)
    {
        var number = value ?? whenAbsent;
        if (number < min || number > max) Add(field, $"must be from {min} to {max}");
        return number;
    }

    public string Choice(string field, string? value, string whenAbsent, params ReadOnlySpan<string> choices)
    {
        var text = value ?? whenAbsent;
        if (!choices.Contains(text)) Add(field, $"must be one of {string.Join(", ", choices.ToArray())}");
        return text;
    }

    /// <summary>Labels: at most 64, keys of 1 to 63 characters, values of at most 255.</summary>
    public ImmutableDictionary<string, string> Labels(string field, Dictionary<string, string?>? labels)
    {
        if (labels is null) return ImmutableDictionary<string, string>.Empty;
        if (labels.Count > 64) Add(field, "must have at most 64 entries");
        var checkedLabels = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels)
        {
            if (key.Length is 0 or > 63 || HasControl(key, false)) Add(field, "keys must have 1 to 63 characters and no control characters");
            else if (value is null) Add($"{field}.{key}", "must be text");
            else if (Text($"{field}.{key}", value, 255) is { } text) checkedLabels[key] = text;
        }
        return checkedLabels.ToImmutable();
    }

    /// <summary>An id of the kind, if there is one.</summary>
    public string? Id(string field, string? value, string prefix)
    {
        if (value is not null && !EntityId.Is(prefix, value)) Add(field, $"must be an id {prefix}_…");
        return value;
    }

    public static int Utf8Length(string text) => Encoding.UTF8.GetByteCount(text);

    private static bool HasControl(string text, bool multiline)
    {
        foreach (var c in text) if (char.IsControl(c) && !(multiline && c is '\n' or '\r' or '\t')) return true;
        return false;
    }
}
