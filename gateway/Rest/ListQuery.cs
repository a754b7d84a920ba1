using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Marionette.Gateway.Json;

namespace Marionette.Gateway.Rest;

/// <summary>Query of a list: page and filters, checked together.</summary>
internal sealed class ListQuery
{
    public const int DefaultLimit = 50, MaxLimit = 200;
    private const int MaxFilterValues = 50;

    private readonly IQueryCollection query;
    private readonly FieldErrors errors = new();

    public ListQuery(HttpRequest request) => query = request.Query;

    public FieldErrors Errors => errors;

    public int Limit(int whenAbsent = DefaultLimit, int most = MaxLimit)
    {
        if (query["limit"] is not [{ } text]) return query.ContainsKey("limit") ? Wrong("limit", "must stand there once") : whenAbsent;
        return int.TryParse(text, out var limit) && limit >= 1 && limit <= most ? limit : Wrong("limit", $"must be from 1 to {most}");
    }

    /// <summary>The id that the last page ended with; cursors are made by <see cref="CursorOf"/>.</summary>
    public string? Cursor(string idPrefix) => Cursor(id => EntityId.Is(idPrefix, id), 200);

    /// <param name="isOurs">Whether the text can be what a page ended with.</param>
    /// <param name="longest">Characters of the cursor.</param>
    public string? Cursor(Func<string, bool> isOurs, int longest)
    {
        if (Single("cursor") is not { Length: > 0 } text) return null;
        if (Base64Url.IsValid(text) && text.Length < longest)
        {
            var id = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text));
            if (isOurs(id)) return id;
        }

        errors.Add("cursor", "is not a cursor of this list");
        return null;
    }

    public static string CursorOf(string id) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(id));

    /// <summary>A filter that may be repeated; null when it is not there.</summary>
    public string[]? Many(string name, IEnumerable<string>? choices = null)
    {
        if (!query.TryGetValue(name, out var given)) return null;
        var values = given.SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).Distinct().ToArray();
        if (values.Length == 0) return null;
        if (values.Length > MaxFilterValues || values.Any(value => value.Length > 200 || value.Contains('\0'))) errors.Add(name, "has too many or too long values");
        else if (choices is not null && values.Except(choices).Any()) errors.Add(name, $"must be one of {string.Join(", ", choices)}");
        return values;
    }

    /// <summary><c>labels[key]=value</c>, as the JSON that the rows' labels have to contain; null without any.</summary>
    public string? Labels()
    {
        Dictionary<string, string>? labels = null;
        foreach (var (name, values) in query)
        {
            if (!name.StartsWith("labels[", StringComparison.Ordinal)) continue;
            var key = name.EndsWith(']') ? name[7..^1] : "";
            if (key.Length is 0 or > 63 || values is not [{ Length: <= 255 } value] || (key + value).Contains('\0')) errors.Add(name, "must be labels[key]=value, each key once");
            else (labels ??= new(StringComparer.Ordinal))[key] = value;
        }
        return labels is null ? null : JsonSerializer.Serialize(labels, GatewayJsonContext.Plain.DictionaryStringString);
    }

    /// <summary>A parameter's values as they are.</summary>
    public IEnumerable<string?> Values(string name) => query.TryGetValue(name, out var values) ? values : [];

    public string? Single(string name)
    {
        if (!query.TryGetValue(name, out var values)) return null;
        if (values.Count == 1) return values[0];
        errors.Add(name, "must stand there once");
        return null;
    }

    private int Wrong(string name, string message)
    {
        errors.Add(name, message);
        return DefaultLimit;
    }
}
