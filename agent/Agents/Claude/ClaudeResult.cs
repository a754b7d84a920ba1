using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Reads the line that ends a turn.</summary>
internal static class ClaudeResult
{
    /// <summary>The last second that a date can name.</summary>
    public const long LatestReset = 253_402_300_799;

    /// <param name="line">The <c>result</c> line.</param>
    /// <param name="source">
    /// Knows what it had said before this turn, for some of its numbers are sums; they are unknown after a resume, because a
    /// resumed conversation brings earlier ones along.
    /// </param>
    /// <param name="quotaResetsAt">When the account's quota comes back, if Claude said that it is used up.</param>
    public static RunResult Read(JsonElement line, ClaudeProcess source, DateTimeOffset? quotaResetsAt)
    {
        var result = new RunResult
        {
            Outcome = Outcomes.Completed,
            Result = line.Text("result"u8),
            Usage = Usage(line),
            Cost = Cost(line, source.Cost),
            Turns = line.Number("num_turns"u8),
            ModelTime = source.ModelMs is { } before && line.Fraction("duration_api_ms"u8) is { } sum
                ? TimeSpan.FromMilliseconds(Math.Max(0, sum - before))
                : null,
        };
        // is_error first: a refused request comes as subtype "success".
        if (!line.Flag("is_error"u8) && line.Text("subtype"u8) == "success")
            return result;
        var (code, message) = Explain(line, quotaResetsAt is not null);
        return result with
        {
            Outcome = Outcomes.Failed,
            Result = null,
            ErrorCode = code,
            ErrorMessage = message,
            RetryAt = code == ErrorCodes.UsageLimit ? quotaResetsAt ?? ClaudeLimit.ResetIn(message) : null,
        };
    }

    /// <summary>What the next result's sums are counted from.</summary>
    public static void KeepSums(ClaudeProcess source, JsonElement line)
    {
        source.Cost = line.Fraction("total_cost_usd"u8);
        source.ModelMs = line.Fraction("duration_api_ms"u8) is { } sum ? (long)sum : null;
    }

    /// <summary>Whether Claude says that it does not have the conversation that it was told to resume.</summary>
    public static bool IsConversationMissing(JsonElement line) =>
        Errors(line).Contains("No conversation found", StringComparison.OrdinalIgnoreCase);

    private static double? Cost(JsonElement line, double? before)
    {
        var models = line.Member("model_usage_since_last_result"u8);
        if (models.ValueKind == JsonValueKind.Object)
            return models.EnumerateObject().Sum(model => model.Value.Fraction("costUSD"u8) ?? 0);
        return line.Fraction("total_cost_usd"u8) is { } sum && before is { } known ? Math.Max(0, sum - known) : null;
    }

    // The model's own numbers since the last result include what sub-agents used and what an interrupted turn had used up.
    private static TokenUsage Usage(JsonElement line)
    {
        var models = line.Member("model_usage_since_last_result"u8);
        if (models.ValueKind != JsonValueKind.Object)
            return ClaudeUsageTracker.Read(line.Member("usage"u8));
        var sum = default(TokenUsage);
        foreach (var model in models.EnumerateObject())
        {
            sum = new TokenUsage(
                sum.Input + model.Value.Number("inputTokens"u8),
                sum.Output + model.Value.Number("outputTokens"u8),
                sum.CacheRead + model.Value.Number("cacheReadInputTokens"u8),
                sum.CacheWrite + model.Value.Number("cacheCreationInputTokens"u8));
        }

        return sum;
    }

    private static (string Code, string Message) Explain(JsonElement line, bool quotaIsUsedUp)
    {
        var errors = Errors(line);
        var message = line.Text("result"u8) is { Length: > 0 } text ? text : errors;
        var status = line.Number("api_error_status"u8);
        var subtype = line.Text("subtype"u8) ?? "";
        var code = subtype switch
        {
            "error_max_turns" => ErrorCodes.MaxTurns,
            "error_max_budget_usd" => ErrorCodes.BudgetExceeded,
            _ when status is 401 or 403 || IsLoginTrouble(message) => ErrorCodes.AuthenticationFailed,
            _ when line.Text("terminal_reason"u8) == "prompt_too_long" || status is 413 || Has(message, "prompt is too long") || Has(message, "context window") =>
                ErrorCodes.ContextExceeded,
            _ when quotaIsUsedUp || ClaudeLimit.IsUsageLimit(message) => ErrorCodes.UsageLimit,
            _ when status is 429 || Has(message, "rate_limit_error") => ErrorCodes.RateLimited,
            _ when status is 529 || Has(message, "overloaded_error") => ErrorCodes.Overloaded,
            _ when status > 0 || Has(message, "API Error") => ErrorCodes.ModelError,
            _ => ErrorCodes.AgentProtocol,
        };
        return (code, message.Length > 0 ? message : subtype.Length > 0 ? subtype : "Claude Code reported an error without a text.");
    }

    private static bool IsLoginTrouble(string message) =>
        Has(message, "Invalid API key") || Has(message, "Not logged in") || Has(message, "Please run /login")
        || Has(message, "authentication_error");

    private static string Errors(JsonElement line) => string.Join("; ", line.Member("errors"u8).Items()
        .Where(error => error.ValueKind == JsonValueKind.String).Select(error => error.GetString()));

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
