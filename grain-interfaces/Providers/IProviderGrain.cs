using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Providers;

/// <summary>A configured backend that makes runners. Key: its name, "process".</summary>
[Alias("mn.provider.v1"), GrainInterfaceType("mn.provider")]
public interface IProviderGrain : IGrainWithStringKey
{
    /// <summary>Sets to work on a runner; the outcome comes to its grain as an observation. Idempotent by runner and epoch.</summary>
    /// <exception cref="MarionetteException">NotFound: no such provider is configured.</exception>
    [Alias("provision")] Task ProvisionAsync(ProvisionRunner command, CancellationToken cancellationToken = default);

    /// <summary>Ends a runner in the background. Idempotent; one that is absent is a success.</summary>
    [Alias("release")] Task ReleaseAsync(string runnerKey, long epoch, CancellationToken cancellationToken = default);

    /// <summary>Watches a runner that was provisioned before this activation.</summary>
    [Alias("watch")] Task WatchAsync(string runnerKey, long epoch, CancellationToken cancellationToken = default);

    /// <summary>Where a runner's start stands. Unknown: this activation was never asked for it; ask.</summary>
    [Alias("place")] ValueTask<StartPlace> PlaceAsync(string runnerKey, CancellationToken cancellationToken = default);

    /// <summary>Puts a runner's network rules in force in the background, until it succeeded or newer ones came. Idempotent.</summary>
    [Alias("network")] Task ApplyNetworkAsync(string runnerKey, long epoch, NetworkRules rules, CancellationToken cancellationToken = default);

    /// <summary>Pauses a runner in the background; the outcome comes to its grain. Tried once. Idempotent.</summary>
    [Alias("pause")] Task PauseAsync(string runnerKey, long epoch, CancellationToken cancellationToken = default);

    /// <summary>Lets a paused runner go on, in the background: until it did, it is gone, or the backend refuses. The outcome comes to its grain. Idempotent.</summary>
    [Alias("unpause")] Task UnpauseAsync(string runnerKey, long epoch, CancellationToken cancellationToken = default);

    /// <summary>What it can do and what it holds.</summary>
    [Alias("view")] ValueTask<ProviderView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Agent programs that its runners find, as of the last look, at most a minute old once it is known. Never waits for the backend.</summary>
    /// <exception cref="MarionetteException">NotFound: no such provider is configured.</exception>
    [Alias("agents")] ValueTask<ProviderAgentsView> GetAgentsAsync(CancellationToken cancellationToken = default);
}

/// <summary>What a provider needs to make a runner.</summary>
/// <param name="Token">Single-use runner token in clear; it goes to the agent's configuration only.</param>
[GenerateSerializer, Immutable, Alias("mn.provider.provision.v1")]
public sealed record ProvisionRunner(
    [property: Id(0)] string RunnerKey,
    [property: Id(1)] long Epoch,
    [property: Id(2)] string Token,
    [property: Id(3)] string WorkspaceId)
{
    /// <summary>Size and make.</summary>
    [Id(4)] public RunnerShape Shape { get => field ?? new(); init; } = new();

    /// <summary>What it may reach.</summary>
    [Id(5)] public NetworkRules Network { get => field ?? NetworkRules.Open; init; } = NetworkRules.Open;

    /// <summary>Never the token.</summary>
    public override string ToString() => $"ProvisionRunner({RunnerKey}, epoch {Epoch})";
}

/// <summary>What a provider's runners find.</summary>
/// <param name="IsKnown">False while the first look is under way: ask again.</param>
[GenerateSerializer, Immutable, Alias("mn.provider.agents.v1")]
public sealed record ProviderAgentsView(
    [property: Id(0)] bool IsKnown,
    [property: Id(1)] ImmutableArray<ProviderAgentView> Agents);

/// <summary>An agent program in a provider's runners.</summary>
/// <param name="Kind">Agent kind that drives it.</param>
/// <param name="Version">As it says itself; null when it did not.</param>
[GenerateSerializer, Immutable, Alias("mn.provider.agent.v1")]
public sealed record ProviderAgentView(
    [property: Id(0)] string Kind,
    [property: Id(1)] string Program,
    [property: Id(2)] string Path,
    [property: Id(3)] string? Version);

/// <summary>Where a runner's start stands at its provider.</summary>
public enum StartPlace
{
    /// <summary>This activation does not know it.</summary>
    Unknown = 0,
    /// <summary>It waits for room, or for the backend to be well again.</summary>
    Queued = 1,
    /// <summary>The backend is at work on it.</summary>
    Starting = 2,
    /// <summary>It was made, and is watched.</summary>
    Watched = 3,
}

/// <summary>A provider for people.</summary>
[GenerateSerializer, Immutable, Alias("mn.provider.view.v1")]
public sealed record ProviderView(
    [property: Id(0)] string Name,
    [property: Id(1)] string Isolation,
    [property: Id(2)] bool CanPause,
    [property: Id(3)] int Watched)
{
    /// <summary>What it can do, by name: "pause", "egress", "warm", "gpu", "nested_containers", "desktop", "memory_snapshot".</summary>
    [Id(4)] public ImmutableArray<string> Capabilities { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>What of a profile it enforces: "cpu", "memory", "disk", "pids".</summary>
    [Id(5)] public ImmutableArray<string> Limits { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Runners whose start waits.</summary>
    [Id(6)] public int Queued { get; init; }
    /// <summary>Runners that the backend is starting now.</summary>
    [Id(7)] public int Starting { get; init; }
    /// <summary>Warm slots that nobody has claimed.</summary>
    [Id(8)] public int Warm { get; init; }
    /// <summary>Runners that it may hold; 0 = no limit.</summary>
    [Id(9)] public int MaxRunners { get; init; }
    /// <summary>Why nothing is started now: the backend's last failure; null while it is well.</summary>
    [Id(10)] public string? Trouble { get; init; }
    /// <summary>When it is tried again.</summary>
    [Id(11)] public DateTimeOffset? RetryAt { get; init; }
    /// <summary>The last comparison of the backend's inventory with the records; null before the first.</summary>
    [Id(12)] public ReconcileView? Reconcile { get; init; }
}

/// <summary>What a comparison of a backend's inventory with the records found.</summary>
/// <param name="At">When.</param>
/// <param name="Owned">Runners of this installation on the backend.</param>
/// <param name="Adopted">Live by the records, and not watched: watched from then on. Since the start of the activation.</param>
/// <param name="Removed">Ended by the records or unknown to them: removed. Since the start of the activation.</param>
[GenerateSerializer, Immutable, Alias("mn.provider.reconcile.v1")]
public sealed record ReconcileView(
    [property: Id(0)] DateTimeOffset At,
    [property: Id(1)] int Owned,
    [property: Id(2)] long Adopted,
    [property: Id(3)] long Removed);
