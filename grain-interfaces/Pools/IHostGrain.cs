using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>
/// One host of a pool: the one writer of what it is, which runners were given to it, and what it is told. Key: <c>pool/host_…</c>. A runner is recorded here
/// before the host hears of it.
/// </summary>
[Alias("mn.host.v1"), GrainInterfaceType("mn.host")]
public interface IHostGrain : IGrainWithStringKey
{
    /// <summary>Checks what a host proves; the first hello redeems its join token and binds it to the secret.</summary>
    /// <exception cref="MarionetteException">TokenRefused: token or secret is not accepted, or the host was removed. NotFound: no such pool.</exception>
    [Alias("hello")] Task HelloAsync(HostHelloCommand hello, CancellationToken cancellationToken = default);

    /// <summary>A stream has come up, or renews itself: orders go to it from now on. A newer connection replaces an older one.</summary>
    [Alias("attach")] Task AttachAsync(string connectionId, HostInventory inventory, IHostConnection connection, CancellationToken cancellationToken = default);

    /// <summary>Whether this activation sends its orders to the connection; if not, attach again.</summary>
    [Alias("knows")] ValueTask<bool> KnowsAsync(string connectionId, CancellationToken cancellationToken = default);

    /// <summary>The stream is away. Informative; the lease runs from the last sign of life.</summary>
    [Alias("detach")] Task DetachAsync(string connectionId, bool goodbye, CancellationToken cancellationToken = default);

    /// <summary>What the host says, in the order of its saying. Ignored from a connection that was replaced.</summary>
    [Alias("heard")] Task HeardAsync(string connectionId, HostSaying saying, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives an order and waits for its result for <paramref name="patience"/> at most (20 s at most: below the time-out of a call). Idempotent by the order's id: ask
    /// again with the same order to wait on.
    /// </summary>
    /// <returns>The result; null while there is none yet.</returns>
    /// <exception cref="MarionetteException">
    /// Unavailable: the host is away. Conflict: it takes no new runners (draining, tainted, another tenant's, full). Fenced: a newer epoch of the runner is known.
    /// </exception>
    // Interleaves, since it waits for what other calls bring: it sees the record as it was last stored.
    [Alias("order"), AlwaysInterleave] Task<HostOrderResult?> OrderAsync(HostOrder order, TimeSpan patience, CancellationToken cancellationToken = default);

    /// <summary>How a runner is, as the host last said: no call of the host.</summary>
    /// <exception cref="MarionetteException">Unavailable: the host is away, and not yet given up.</exception>
    [Alias("observe")] ValueTask<HostRunnerView> ObserveAsync(string runnerKey, long epoch, CancellationToken cancellationToken = default);

    /// <summary>The host.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view")] ValueTask<HostView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Every runner that was given to it, as it last said. Empty for a host that is not known.</summary>
    [Alias("runners")] ValueTask<ImmutableArray<HostRunnerView>> ListRunnersAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The files of a workspace that lie here go on at another host, or were given up with it: the host is told to remove them. Called by the pool's
    /// grain, which does not wait. Idempotent.
    /// </summary>
    /// <param name="workspaceKey">"tenant/ws_…".</param>
    [Alias("forget-workspace")] Task ForgetWorkspaceAsync(string workspaceKey, CancellationToken cancellationToken = default);

    /// <summary>No new runners (true), or takes them again (false). Those it has go on. Idempotent.</summary>
    [Alias("drain")] Task<HostView> DrainAsync(bool drain, CancellationToken cancellationToken = default);

    /// <summary>Holds it off because something is wrong with it: no new runners until the taint is taken away (null). Idempotent.</summary>
    [Alias("taint")] Task<HostView> TaintAsync(string? reason, CancellationToken cancellationToken = default);

    /// <summary>Removes it: its runners are lost, its secret is refused, and a host that is there is told to end. Idempotent.</summary>
    /// <param name="force">False refuses while it has runners.</param>
    /// <exception cref="MarionetteException">Conflict: it still has runners.</exception>
    [Alias("remove")] Task RemoveAsync(bool force, CancellationToken cancellationToken = default);
}

/// <summary>A gateway's end of a host's stream.</summary>
[Alias("mn.host.connection.v1")]
public interface IHostConnection : IGrainObserver
{
    /// <summary>An order to be sent. It may come again under the same id.</summary>
    [Alias("order")] Task OnOrderAsync(HostOrder order);

    /// <summary>Another connection took over, or the host was removed.</summary>
    /// <param name="dismissed">The host is to end its runners and itself.</param>
    [Alias("closed")] Task OnClosedAsync(string reason, bool dismissed);
}
