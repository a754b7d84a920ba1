using Marionette.Budgets;
using Marionette.Gateway.Rest.Models;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest;

/// <summary>What a budget may be.</summary>
internal static class BudgetRules
{
    private const decimal MaxCost = 1_000_000;
    private const long MaxTokens = 1_000_000_000_000;
    private const double MaxMinutes = 60 * 24 * 366;

    public static Budget? Check(FieldErrors errors, string field, BudgetModel? body) =>
        body is null ? null : Check(errors, field + ".", body.MaxCostUsd, body.MaxTokens, body.MaxMinutes, body.WarnPercent);

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static TenantBudget Check(TenantBudgetModel body)
    {
        var errors = new FieldErrors();
        var limits = Check(errors, "", body.MaxCostUsd, body.MaxTokens, body.MaxMinutes, body.WarnPercent);
        var period = errors.Choice("period", body.Period, "month", "day", "month", "total");
        errors.ThrowIfAny();
        return new TenantBudget(limits, period);
    }

    private static Budget Check(FieldErrors errors, string prefix, decimal? cost, long? tokens, double? minutes, int? warn)
    {
        if (cost is <= 0 or > MaxCost) errors.Add(prefix + "max_cost_usd", $"must be above 0 and at most {MaxCost}");
        if (tokens is <= 0 or > MaxTokens) errors.Add(prefix + "max_tokens", $"must be from 1 to {MaxTokens}");
        if (minutes is <= 0 or > MaxMinutes or double.NaN) errors.Add(prefix + "max_minutes", $"must be above 0 and at most {MaxMinutes}");
        return new Budget(cost, tokens, minutes, errors.Number(prefix + "warn_percent", warn, 1, 100, 80));
    }
}
