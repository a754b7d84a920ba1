using System.Collections.Immutable;

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

/// <summary>A provider for people.</summary>
[GenerateSerializer, Immutable, Alias("mn.provider.view.v1")]
public sealed record ProviderView(
    [property: Id(0)] string Name,
    [property: Id(1)] string Isolation,
    [property: Id(2)] bool CanPause,
    [property: Id(3)] int Watched);
