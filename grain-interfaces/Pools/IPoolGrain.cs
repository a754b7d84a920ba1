using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>
/// A pool of hosts: who may join, which hosts it has, and which of them takes a runner. Key: its name. It never waits for a host's grain within a turn,
/// since hosts' grains wait for it.
/// </summary>
[Alias("mn.pool.v1"), GrainInterfaceType("mn.pool")]
public interface IPoolGrain : IGrainWithStringKey
{
    /// <summary>The pool.</summary>
    /// <exception cref="MarionetteException">NotFound: no such pool is configured. So do all other calls.</exception>
    [Alias("view")] ValueTask<PoolView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Its hosts, as they last reported, in order of their ids.</summary>
    [Alias("hosts")] ValueTask<ImmutableArray<HostView>> ListHostsAsync(CancellationToken cancellationToken = default);

    /// <summary>A new join token. The secret is in the answer, and nowhere else.</summary>
    /// <exception cref="MarionetteException">Invalid; Conflict: too many tokens.</exception>
    [Alias("create-token")] Task<JoinTokenCreated> CreateTokenAsync(CreateJoinToken command, CancellationToken cancellationToken = default);

    /// <summary>Its join tokens, newest last; revoked and expired ones for a while longer.</summary>
    [Alias("tokens")] ValueTask<ImmutableArray<JoinTokenView>> ListTokensAsync(CancellationToken cancellationToken = default);

    /// <summary>No host joins by this token any more; those that have stay. Idempotent.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("revoke-token")] Task<JoinTokenView> RevokeTokenAsync(string tokenId, CancellationToken cancellationToken = default);

    /// <summary>Takes a host in by a join token. Idempotent by host and token. Called by the host's grain.</summary>
    /// <returns>The tenants that the host may serve; empty = every tenant.</returns>
    /// <exception cref="MarionetteException">TokenRefused: unknown, revoked, expired or used up.</exception>
    [Alias("redeem")] Task<ImmutableArray<string>> RedeemAsync(string hostId, string token, CancellationToken cancellationToken = default);

    /// <summary>How a host is. Called by the host's grain, with each change and every few seconds.</summary>
    [Alias("report")] Task ReportAsync(HostView host, ImmutableArray<HostRunnerView> runners, CancellationToken cancellationToken = default);

    /// <summary>A host is no more. Called by the host's grain. Idempotent.</summary>
    [Alias("forget")] Task ForgetHostAsync(string hostId, CancellationToken cancellationToken = default);

    /// <summary>Something that a host told of a runner, for whoever watches. Called by the host's grain.</summary>
    [Alias("tell")] Task TellAsync(PoolNotice notice, CancellationToken cancellationToken = default);

    /// <summary>
    /// The host that has the runner, or else the one that shall take it, which is then kept for it for a while. The same runner gives the same host, until
    /// that one refuses it.
    /// </summary>
    /// <exception cref="MarionetteException">
    /// QueueFull: no host has room now. Unavailable: hosts are not counted yet. ProviderFailed: no host of this pool could ever take it; the message says why.
    /// </exception>
    [Alias("place")] ValueTask<string> PlaceAsync(PlaceRunner command, CancellationToken cancellationToken = default);

    /// <summary>The host that has the runner; null when none has.</summary>
    /// <exception cref="MarionetteException">Unavailable: hosts are not counted yet.</exception>
    [Alias("where")] ValueTask<string?> WhereAsync(string runnerKey, CancellationToken cancellationToken = default);

    /// <summary>Every runner on its hosts, as last reported.</summary>
    /// <exception cref="MarionetteException">Unavailable: hosts are not counted yet.</exception>
    [Alias("runners")] ValueTask<ImmutableArray<HostRunnerView>> ListRunnersAsync(CancellationToken cancellationToken = default);

    /// <summary>What hosts tell, from now on until cancelled.</summary>
    [Alias("watch")] IAsyncEnumerable<PoolNotice> WatchAsync(CancellationToken cancellationToken = default);
}
