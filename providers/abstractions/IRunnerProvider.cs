using System.Runtime.CompilerServices;

namespace Marionette.Providers;

/// <summary>
/// A backend that makes runners. Facts in <see cref="Capabilities"/>, not types, decide what is asked of it. Implementations add
/// timeouts, never retries: those live in the grain that calls. Failures are <see cref="ProviderException"/>, never a vendor's own.
/// How to write one: docs/guides/providers/writing-a-provider.md.
/// </summary>
public interface IRunnerProvider
{
    /// <summary>Configured name, the key of the provider's grain: "process", "docker".</summary>
    string Name { get; }

    /// <summary>What it can do. Constant while the process lives, but for what a backend says of itself at the first call.</summary>
    ProviderCapabilities Capabilities { get; }

    /// <summary>
    /// Makes the runner, or finds it: idempotent by runner key and epoch. A runner whose agent died is started again in its
    /// old place, so that what it had not sent yet is not lost. Returns once the backend accepted it, not once its agent called.
    /// Its network policy stands before the first program of it runs.
    /// </summary>
    /// <param name="spec">What to make.</param>
    /// <param name="progress">Told of each phase as it ends, in order, on the caller's behalf; null = nobody asks.</param>
    /// <param name="cancellationToken">Gives up; what was begun is removed, or found by the sweep.</param>
    /// <exception cref="ProviderException">It could not be made; nothing is left behind, unless the kind is Ambiguous.</exception>
    Task<RunnerHandle> EnsureAsync(RunnerSpec spec, IProgress<StartStep>? progress, CancellationToken cancellationToken);

    /// <summary>How it is. Missing is a state, not an exception.</summary>
    /// <exception cref="ProviderException">The backend cannot be asked now; says nothing about the runner.</exception>
    Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken);

    /// <summary>Ends its agent, with the grace that the backend is configured to; its place stays, so that Ensure starts it again. Absent is a success.</summary>
    /// <exception cref="ProviderException">It may still live: call again.</exception>
    Task StopAsync(RunnerHandle handle, CancellationToken cancellationToken);

    /// <summary>Ends it and removes what belongs to it alone; the workspace stays. Absent is a success.</summary>
    /// <exception cref="ProviderException">It may still live: call again.</exception>
    Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken);

    /// <summary>Stops all its processes where they are, memory kept. Twice is a success. Only where <see cref="ProviderCapabilities.CanPause"/>.</summary>
    /// <exception cref="ProviderException">Rejected where the backend cannot, or there is no such runner.</exception>
    Task PauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => throw CannotPause();

    /// <summary>Lets a paused runner go on. One that runs is a success.</summary>
    /// <exception cref="ProviderException">Rejected where the backend cannot, or there is no such runner.</exception>
    Task UnpauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => throw CannotPause();

    /// <summary>
    /// Puts another network policy in force at once, connections that it forbids included. Only where
    /// <see cref="ProviderCapabilities.ControlsEgress"/>.
    /// </summary>
    /// <exception cref="ProviderException">Rejected where the backend cannot; otherwise the old policy may still stand: call again.</exception>
    Task ApplyEgressAsync(RunnerHandle handle, EgressPolicy policy, CancellationToken cancellationToken) =>
        throw new ProviderException(ProviderFault.Rejected, $"The provider \"{Name}\" does not control what its runners reach.");

    /// <summary>Everything that this installation owns on the backend, by marks on the resources themselves: for the orphan sweep. Warm slots are not in it.</summary>
    IAsyncEnumerable<RunnerHandle> ListOwnedAsync(CancellationToken cancellationToken);

    /// <summary>
    /// What happens to runners, as it happens, from now on until cancelled: a hint that makes things quick, since looks find the same later. A
    /// backend that cannot tell ends the stream at once; one whose stream broke ends it, and is asked again.
    /// </summary>
    IAsyncEnumerable<ProviderNotice> WatchAsync(CancellationToken cancellationToken) => Nothing<ProviderNotice>(cancellationToken);

    /// <summary>
    /// Makes a warm slot: a place that is up but for what makes it somebody's. It has no tenant, no credential and no session. Idempotent by slot
    /// id. A slot is used by <see cref="RunnerSpec.WarmSlot"/>, once.
    /// </summary>
    /// <exception cref="ProviderException">Rejected where the backend has no warm slots.</exception>
    Task WarmAsync(WarmSpec spec, CancellationToken cancellationToken) =>
        throw new ProviderException(ProviderFault.Rejected, $"The provider \"{Name}\" keeps no warm runners.");

    /// <summary>Warm slots that nobody has claimed, in order of their making.</summary>
    IAsyncEnumerable<WarmSlot> ListWarmAsync(CancellationToken cancellationToken) => Nothing<WarmSlot>(cancellationToken);

    /// <summary>Removes a slot that nobody has claimed. Absent or claimed is a success.</summary>
    Task ReleaseWarmAsync(string slotId, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Agent programs that its runners find. Quick, and without making a runner; empty also where only a runner could tell.</summary>
    /// <exception cref="ProviderException">The backend cannot be asked now.</exception>
    Task<IReadOnlyList<InstalledAgent>> ListAgentsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<InstalledAgent>>([]);

    private ProviderException CannotPause() => new(ProviderFault.Rejected, $"The provider \"{Name}\" cannot pause a runner.");

    private static async IAsyncEnumerable<T> Nothing<T>([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await Task.CompletedTask;
        yield break;
    }
}

/// <summary>An agent program that runners find.</summary>
/// <param name="Kind">Agent kind that drives it: "claude", "codex", "acp".</param>
/// <param name="Program">Its name: "claude", "opencode".</param>
/// <param name="Path">Where it lies in a runner.</param>
/// <param name="Version">As it says itself; null when it did not.</param>
public sealed record InstalledAgent(string Kind, string Program, string Path, string? Version = null);

/// <summary>A phase of a start that has ended, or how far a long one is.</summary>
/// <param name="Phase">"image", "create", "network", "start", "claim"; a backend may add its own.</param>
/// <param name="Took">Null while the phase goes on.</param>
/// <param name="Detail">A sentence for people: "pulling node:22, 40 %"; null when there is nothing to say.</param>
public sealed record StartStep(string Phase, TimeSpan? Took, string? Detail = null);
