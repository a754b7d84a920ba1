using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary>The options that say how much may be used before the work pauses and asks.</summary>
internal sealed class BudgetOptions
{
    public Option<decimal?> Cost { get; } = new("--max-cost") { Description = "Pause and ask at this many US dollars", HelpName = "USD" };

    public Option<long?> Tokens { get; } = new("--max-tokens") { Description = "Pause and ask at this many tokens", HelpName = "N" };

    public Option<double?> Minutes { get; } = new("--max-minutes") { Description = "Pause and ask after this many minutes of work", HelpName = "N" };

    public Option<int?> Warn { get; } = new("--warn-percent") { Description = "Warn at this share of a limit (80)", HelpName = "N" };

    public void AddTo(Command command)
    {
        command.Add(Cost);
        command.Add(Tokens);
        command.Add(Minutes);
        command.Add(Warn);
    }

    /// <summary>Null when none of them was given.</summary>
    public JsonObject? Body(ParseResult result)
    {
        var body = new JsonObject().Put("max_cost_usd", result.GetValue(Cost)).Put("max_tokens", result.GetValue(Tokens))
            .Put("max_minutes", result.GetValue(Minutes)).Put("warn_percent", result.GetValue(Warn));
        return body.Count == 0 ? null : body;
    }

    /// <summary>A budget in words; null when it bounds nothing.</summary>
    public static string? Text(JsonElement? budget)
    {
        if (budget is not { } given)
            return null;
        string?[] parts =
        [
            given.Amount("max_cost_usd") is { } cost ? Format.Cost(cost) : null,
            given.Number("max_tokens") is { } tokens ? $"{tokens} tokens" : null,
            given.Amount("max_minutes") is { } minutes ? minutes.ToString("0.##", CultureInfo.InvariantCulture) + " minutes" : null,
        ];
        return parts.Any(part => part is not null) ? string.Join(", ", parts.Where(part => part is not null)) : null;
    }
}
