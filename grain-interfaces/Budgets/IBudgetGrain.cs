using Marionette.Tasks;

namespace Marionette.Budgets;

/// <summary>A tenant's budget. Key: <c>tenant/budget</c>. Calls go Session → Budget, never back.</summary>
[Alias("mn.budget.v1"), GrainInterfaceType("mn.budget")]
public interface IBudgetGrain : IGrainWithStringKey
{
    /// <summary>The second part of its key.</summary>
    public const string Id = "budget";

    /// <summary>The budget and what the tenant's ended runs have used of it in the running period; at most some seconds old.</summary>
    [Alias("spending")] Task<TenantSpendingView> GetSpendingAsync(CancellationToken cancellationToken = default);

    /// <summary>Replaces it. A budget without any limit bounds nothing.</summary>
    [Alias("set")] Task<TenantSpendingView> SetAsync(TenantBudget budget, CancellationToken cancellationToken = default);
}

/// <summary>A tenant's budget, and the JSON of its state row.</summary>
/// <param name="Limits">For all of the tenant's sessions together.</param>
/// <param name="Period">"day", "month" (of the calendar, UTC), "total".</param>
[GenerateSerializer, Immutable, Alias("mn.budget.tenant.v1")]
public sealed record TenantBudget([property: Id(0)] Budget Limits, [property: Id(1)] string Period)
{
    /// <summary>Nothing is bounded.</summary>
    public static TenantBudget None { get; } = new(new Budget(null, null, null), "month");
}

/// <summary>What was used of a budget.</summary>
/// <param name="Since">Begin of the running period; null for "total".</param>
/// <param name="Used">By ended runs.</param>
[GenerateSerializer, Immutable, Alias("mn.budget.spending.v1")]
public sealed record TenantSpendingView(
    [property: Id(0)] TenantBudget Budget, [property: Id(1)] DateTimeOffset? Since, [property: Id(2)] Usage Used);
