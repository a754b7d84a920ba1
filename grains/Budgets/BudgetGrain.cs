using Marionette.Log;
using Marionette.Tasks;

namespace Marionette.Budgets;

/// <summary>Keeps a tenant's budget and counts what was used of it.</summary>
[GrainType("budget")]
internal sealed class BudgetGrain(
    [PersistentState("budget", StorageNames.State)] IPersistentState<TenantBudgetRecord> stored, IUsageReader usage, TimeProvider clock) : Grain, IBudgetGrain
{
    /// <summary>How long a sum is good for: many sessions ask, and the budget is a soft limit.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(5);

    private Usage _used = Usage.None;
    private DateTimeOffset? _since;
    private DateTimeOffset _summed = DateTimeOffset.MinValue;

    private TenantBudget Current => stored.State.Budget ?? TenantBudget.None;

    public async Task<TenantSpendingView> GetSpendingAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var since = BudgetPeriod.Begin(Current.Period, now);
        if (Current.Limits is { MaxCostUsd: null, MaxTokens: null, MaxMinutes: null }) return new(Current, since, Usage.None);
        if (now - _summed >= Freshness || since != _since)
        {
            _used = await usage.SumAsync(GrainKeys.Split(this.GetPrimaryKeyString()).Tenant, since, cancellationToken);
            (_summed, _since) = (now, since);
        }

        return new(Current, since, _used);
    }

    public async Task<TenantSpendingView> SetAsync(TenantBudget budget, CancellationToken cancellationToken)
    {
        var before = stored.State.Budget;
        stored.State.Budget = budget;
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
        }
        catch
        {
            stored.State.Budget = before;
            DeactivateOnIdle();
            throw;
        }

        _summed = DateTimeOffset.MinValue;
        return await GetSpendingAsync(cancellationToken);
    }
}

/// <summary>The state row of a tenant's budget.</summary>
internal sealed class TenantBudgetRecord
{
    public TenantBudget? Budget { get; set; }
}

/// <summary>Periods of budgets: of the calendar, in UTC.</summary>
internal static class BudgetPeriod
{
    public static DateTimeOffset? Begin(string period, DateTimeOffset now)
    {
        var utc = now.UtcDateTime;
        return period switch
        {
            "day" => new DateTimeOffset(utc.Year, utc.Month, utc.Day, 0, 0, 0, TimeSpan.Zero),
            "month" => new DateTimeOffset(utc.Year, utc.Month, 1, 0, 0, 0, TimeSpan.Zero),
            _ => null,
        };
    }
}
