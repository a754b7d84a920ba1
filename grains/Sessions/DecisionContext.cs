namespace Marionette.Sessions;

/// <summary>All that a decision may know besides the state and the command.</summary>
internal sealed record DecisionContext
{
    public required DateTimeOffset Now { get; init; }

    /// <summary>Provider of a runner that the decision may need.</summary>
    public required string Provider { get; init; }

    public required SessionTimings Timings { get; init; }

    /// <summary>The tenant's rules; null where they were not needed or could not be read, and then no rule allows anything.</summary>
    public Permissions.TenantPolicy? Policy { get; init; }

    /// <summary>Makes an id of the kind that the prefix names.</summary>
    public required Func<string, string> NewId { get; init; }

    /// <summary>What tokens cost, for the estimate of a run under way.</summary>
    public PriceTable Prices { get; init; } = PriceTable.Empty;

    /// <summary>The tenant's budget and what it has used of it; null while that is not known.</summary>
    public TenantSpending? Tenant { get; init; }

    /// <summary>The session's provider can pause a runner.</summary>
    public bool CanPause { get; init; }
}

/// <summary>How long a session waits before it takes the harder way.</summary>
internal sealed record SessionTimings(TimeSpan InterruptGrace, TimeSpan StopGrace)
{
    /// <summary>How long a runner may be paused.</summary>
    public TimeSpan PauseLimit { get; init; } = TimeSpan.FromHours(1);
}
