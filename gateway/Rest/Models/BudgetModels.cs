using Marionette.Budgets;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A tenant's budget and what was used of it.</summary>
internal sealed class TenantSpendingModel
{
    public decimal? MaxCostUsd { get; init; }
    public long? MaxTokens { get; init; }
    public double? MaxMinutes { get; init; }
    public required int WarnPercent { get; init; }
    [OneOf("day", "month", "total")]
    public required string Period { get; init; }
    /// <summary>Begin of the running period.</summary>
    public DateTime? Since { get; init; }
    /// <summary>By runs that ended in it; nothing is counted while there is no limit.</summary>
    public required Usage Used { get; init; }

    public static TenantSpendingModel Of(TenantSpendingView view) => new()
    {
        MaxCostUsd = view.Budget.Limits.MaxCostUsd,
        MaxTokens = view.Budget.Limits.MaxTokens,
        MaxMinutes = view.Budget.Limits.MaxMinutes,
        WarnPercent = view.Budget.Limits.WarnPercent,
        Period = view.Budget.Period,
        Since = view.Since?.UtcDateTime,
        Used = view.Used,
    };
}

/// <summary>What was used, in all and by group.</summary>
internal sealed record UsageReportModel(DateTime? From, DateTime? To, Usage Total, long Runs, IReadOnlyList<UsageGroupModel> Items);

/// <summary>One group of a usage report.</summary>
/// <param name="Key">Day, session, task, agent, model or label value; empty where the runs have none.</param>
internal sealed record UsageGroupModel(string Key, Usage Usage, long Runs);

/// <summary>Where a message went.</summary>
internal sealed class MessageReceiptModel
{
    public required string Id { get; init; }
    /// <summary>The task that it belongs to: the one that it was for, or the one that it became.</summary>
    public required string TaskId { get; init; }
    [OneOf("sent", "queued")]
    public required string Status { get; init; }
}
