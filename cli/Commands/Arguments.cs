using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>Options that several commands share, and how their values become parts of a request.</summary>
internal static class Arguments
{
    public static Argument<string> Id(string name) => new(name);

    public static Option<string[]> Pairs(string name, string description, params string[] aliases) => new(name, aliases)
    {
        Description = description,
        HelpName = "K=V",
        CustomParser = result => [.. result.Tokens.Select(token => token.Value)],
    };

    public static Option<int> Limit() => new("--limit") { Description = "Items of one page, 1 to 200", DefaultValueFactory = _ => 50, HelpName = "N" };

    public static Option<string?> Cursor() => new("--cursor") { Description = "Where the page before ended", HelpName = "CURSOR" };

    public static Option<string[]> Many(string name, string description) => new(name)
    {
        Description = $"{description}; repeat it or use commas",
        CustomParser = result => [.. result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
    };

    public static Option<string[]> LabelFilter(string things) => Pairs("--labels", $"Only {things} with these labels", "--label");

    public static Option<string?> IdempotencyKey() => new("--idempotency-key")
    {
        Description = "The same key never makes a second one, 1 to 255 characters",
        HelpName = "KEY",
    };

    /// <summary>A span of time (90s, 30m, 12h, 7d) in seconds.</summary>
    /// <exception cref="CliException">Something else.</exception>
    public static int? Seconds(string? text, string option)
    {
        if (text is null)
            return null;
        var unit = text.Length < 2 ? 0 : text[^1] switch { 's' => 1L, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => 0 };
        return unit > 0 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count * unit <= int.MaxValue
            ? (int)(count * unit)
            : throw new CliException($"{option}: '{text}' is no span of time such as 30m, 12h or 7d", null, ExitCode.Usage);
    }

    /// <summary>Reads K=V[,K=V…] values. A comma separates only where another K= follows, so that values may hold commas.</summary>
    /// <exception cref="CliException">A value without '='.</exception>
    public static JsonObject? Map(string[]? values, string option)
    {
        if (values is not { Length: > 0 })
            return null;
        var map = new JsonObject();
        foreach (var value in values)
        {
            foreach (var (key, text) in Split(value, option))
                map[key] = text;
        }
        return map;
    }

    public static IEnumerable<(string Key, string Value)> Split(string value, string option)
    {
        // --labels "" is the empty map: the way to take away what is there.
        if (value.Length == 0)
            yield break;
        string? pending = null;
        foreach (var part in value.Split(','))
        {
            if (part.IndexOf('=') > 0)
            {
                if (pending is not null)
                    yield return Pair(pending);
                pending = part;
            }
            else
            {
                pending = pending is null
                    ? throw new CliException($"'{value}' of {option} is not K=V", null, ExitCode.Usage)
                    : $"{pending},{part}";
            }
        }
        if (pending is not null)
            yield return Pair(pending);

        static (string, string) Pair(string text) => (text[..text.IndexOf('=')], text[(text.IndexOf('=') + 1)..]);
    }

    /// <summary>Adds a member where there is a value.</summary>
    public static JsonObject Put(this JsonObject body, string name, JsonNode? value)
    {
        if (value is not null)
            body[name] = value;
        return body;
    }

    /// <summary>The whole list that replaces another one: empty for an option that is there without a value, null for one that is not.</summary>
    public static JsonArray? Whole(ParseResult result, Option<string[]> option) =>
        result.GetResult(option) is { Implicit: false } ? Array(result.GetValue(option)) ?? [] : null;

    public static JsonArray? Array(string[]? values) => values is { Length: > 0 } ? new JsonArray([.. values.Select(value => (JsonNode)value)]) : null;
}

/// <summary>Builds the query of a list request.</summary>
internal sealed class Query(string path)
{
    private readonly StringBuilder text = new(path);
    private char separator = '?';

    public Query Add(string name, string? value)
    {
        if (value is { Length: > 0 })
        {
            text.Append(separator).Append(Uri.EscapeDataString(name)).Append('=').Append(Uri.EscapeDataString(value));
            separator = '&';
        }
        return this;
    }

    public Query Add(string name, int value) => Add(name, value.ToString(CultureInfo.InvariantCulture));

    public Query All(string name, string[]? values)
    {
        foreach (var value in values ?? [])
            Add(name, value);
        return this;
    }

    public Query Labels(string[]? values)
    {
        foreach (var (key, value) in (values ?? []).SelectMany(value => Arguments.Split(value, "--labels")))
            Add($"labels[{key}]", value);
        return this;
    }

    public override string ToString() => text.ToString();
}
