using System.Collections.Immutable;
using Marionette.Providers;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A backend that makes runners, and how it is.</summary>
internal sealed class ProviderModel
{
    public required string Name { get; init; }
    /// <summary>What stands between the agent and the host: none, bwrap, container, gvisor, vm.</summary>
    public required string Isolation { get; init; }
    public required ImmutableArray<string> Capabilities { get; init; }
    /// <summary>What of a profile it enforces.</summary>
    public required ImmutableArray<string> Limits { get; init; }
    public required int Runners { get; init; }
    public required int Starting { get; init; }
    public required int Queued { get; init; }
    public required int Warm { get; init; }
    /// <summary>0 = no limit.</summary>
    public required int MaxRunners { get; init; }
    /// <summary>Its last failure, while it is ill.</summary>
    public string? Trouble { get; init; }
    public DateTime? RetryAt { get; init; }
    public ReconcileModel? Reconcile { get; init; }

    public static ProviderModel Of(ProviderView view) => new()
    {
        Name = view.Name, Isolation = view.Isolation, Capabilities = view.Capabilities, Limits = view.Limits, Runners = view.Watched, Starting = view.Starting,
        Queued = view.Queued, Warm = view.Warm, MaxRunners = view.MaxRunners, Trouble = view.Trouble, RetryAt = view.RetryAt?.UtcDateTime,
        Reconcile = view.Reconcile is { } seen ? new ReconcileModel(seen.At.UtcDateTime, seen.Owned, seen.Adopted, seen.Removed) : null,
    };
}

/// <summary>The last comparison of the backend's inventory with the records; the two sums count since the provider's grain was activated.</summary>
internal sealed record ReconcileModel(DateTime At, int Owned, long Adopted, long Removed);

/// <summary>The providers.</summary>
internal sealed record ProviderListModel(ImmutableArray<ProviderModel> Items);
