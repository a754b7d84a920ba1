using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>US dollars a million tokens, by kind. For the estimate of a run under way; what an agent reports at its end replaces it.</summary>
public sealed record ModelPrice
{
    /// <summary>Input that no cache had.</summary>
    public decimal Input { get; set; }

    /// <summary>Output.</summary>
    public decimal Output { get; set; }

    /// <summary>Input read from a cache.</summary>
    public decimal CacheRead { get; set; }

    /// <summary>Input written to a cache.</summary>
    public decimal CacheWrite { get; set; }
}

/// <summary>Prices by the beginning of the model's name; the longest that fits counts.</summary>
internal sealed class PriceTable(IEnumerable<KeyValuePair<string, ModelPrice>> prices)
{
    private readonly KeyValuePair<string, ModelPrice>[] _prices = [.. prices.OrderByDescending(p => p.Key.Length)];

    public static PriceTable Empty { get; } = new([]);

    public ModelPrice? Of(string? model) =>
        model is null ? null : _prices.FirstOrDefault(p => model.StartsWith(p.Key, StringComparison.OrdinalIgnoreCase)).Value;
}

/// <summary>A tenant's budget and what its sessions have used of it in the period.</summary>
internal sealed record TenantSpending(Budget Budget, Usage Used);

/// <summary>One limit of one budget, and how far it is used up.</summary>
/// <param name="Scope">"task", "session", "tenant".</param>
/// <param name="Unit">"cost_usd", "tokens", "minutes".</param>
internal readonly record struct BudgetLevel(string Scope, string Unit, decimal Used, decimal Limit, int WarnPercent)
{
    public bool IsExceeded => Used >= Limit;

    public bool IsNear => Used * 100 >= Limit * WarnPercent;
}

/// <summary>What budgets say of a session and its first task.</summary>
internal static class BudgetRules
{
    private const decimal MsPerMinute = 60_000;

    /// <summary>Every limit that applies to the task, with what was used up to now, the run under way included.</summary>
    public static IEnumerable<BudgetLevel> Levels(SessionState state, LiveTask task, DecisionContext context)
    {
        var live = Live(state, task, context);
        return Of("task", task.View.Budget, task.View.Usage + live)
            .Concat(Of("session", state.View.Budget, state.View.Usage + live))
            .Concat(context.Tenant is { } tenant ? Of("tenant", tenant.Budget, tenant.Used + live) : []);
    }

    /// <summary>When the run under way meets a limit in minutes; null when none applies.</summary>
    public static DateTimeOffset? TimeLimit(SessionState state, LiveTask task, TenantSpending? tenant)
    {
        if (task.RunId is null || task.View.Runs[^1].AssignedAt is not { } began) return null;
        DateTimeOffset? first = null;
        foreach (var (budget, used) in new[] { (task.View.Budget, task.View.Usage), (state.View.Budget, state.View.Usage), (tenant?.Budget, tenant?.Used ?? Usage.None) })
        {
            if (budget?.MaxMinutes is not { } minutes) continue;
            var at = began + TimeSpan.FromMinutes(minutes) - TimeSpan.FromMilliseconds(used.WallMs);
            if (!(at >= first)) first = at;
        }

        return first;
    }

    private static Usage Live(SessionState state, LiveTask task, DecisionContext context)
    {
        var tokens = task.Live;
        var wall = task.RunId is not null && task.View.Runs[^1].AssignedAt is { } began ? (long)Math.Max(0, (context.Now - began).TotalMilliseconds) : 0;
        var live = new Usage(tokens.InputTokens, tokens.OutputTokens, tokens.CacheReadTokens, tokens.CacheWriteTokens, 0) { WallMs = wall };
        return live with { CostUsd = CostOf(state, live, context.Prices) };
    }

    /// <summary>By the price of the model where it is known, else by what the session's own ended runs cost a token.</summary>
    private static decimal CostOf(SessionState state, Usage live, PriceTable prices)
    {
        if (live.Tokens == 0) return 0;
        if (prices.Of(state.View.Model) is { } price)
            return (live.InputTokens * price.Input + live.OutputTokens * price.Output + live.CacheReadTokens * price.CacheRead
                + live.CacheWriteTokens * price.CacheWrite) / 1_000_000;
        var known = state.View.Usage;
        return known is { CostUsd: > 0, Tokens: > 0 } ? known.CostUsd * live.Tokens / known.Tokens : 0;
    }

    private static IEnumerable<BudgetLevel> Of(string scope, Budget? budget, Usage used)
    {
        if (budget?.MaxCostUsd is { } cost) yield return new(scope, "cost_usd", used.CostUsd, cost, budget.WarnPercent);
        if (budget?.MaxTokens is { } tokens) yield return new(scope, "tokens", used.Tokens, tokens, budget.WarnPercent);
        if (budget?.MaxMinutes is { } minutes) yield return new(scope, "minutes", decimal.Round(used.WallMs / MsPerMinute, 3), (decimal)minutes, budget.WarnPercent);
    }
}
