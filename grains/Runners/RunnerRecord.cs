using System.Collections.Immutable;

namespace Marionette.Runners;

/// <summary>A runner's row: its view, and what proves its agent.</summary>
internal sealed record RunnerRecord : RunnerView
{
    /// <summary>"ws_…".</summary>
    public string WorkspaceId { get; init; } = "";

    /// <summary>SHA-256 of the token that its agent was last started with, hex.</summary>
    public string TokenHash { get; init; } = "";

    /// <summary>The same of tokens that its provider was given before for the same start: it may have begun with one of them.</summary>
    public ImmutableArray<string> EarlierTokenHashes { get => field.IsDefault ? [] : field; init; } = [];

    /// <summary>SHA-256 of the secret that the first hello brought, hex; null before it.</summary>
    public string? SecretHash { get; init; }

    /// <summary>Why it is lost; null = it is not.</summary>
    public string? LossCause { get; init; }

    /// <summary>Times that its agent was started again in its old place.</summary>
    public int Restarts { get; init; }

    /// <summary>When its provider had made it: from then on its agent has its time to call.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When its stream went away; null while it is up.</summary>
    public DateTimeOffset? OfflineSince { get; init; }

    /// <summary>When it was let go on after a pause; null once its agent has called.</summary>
    public DateTimeOffset? WakingSince { get; init; }

    /// <summary>What others may see: a copy without the proofs.</summary>
    public RunnerView ToView() => new()
    {
        Id = Id, Name = Name, Hostname = Hostname, Status = Status, Reason = Reason, Provider = Provider, SessionId = SessionId, Epoch = Epoch,
        AgentVersion = AgentVersion, SandboxMode = SandboxMode, LastSeenAt = LastSeenAt, CreatedAt = CreatedAt, UpdatedAt = UpdatedAt,
        StartPhasesMs = StartPhasesMs, Shape = Shape, Network = Network,
    };

    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsFinal => Status is RunnerStatus.Released or RunnerStatus.Lost;
}
