namespace Marionette.Providers;

/// <summary>
/// A backend that makes runners. Facts in <see cref="Capabilities"/>, not types, decide what is asked of it. Implementations add
/// timeouts, never retries: those live in the grain that calls. Failures are <see cref="ProviderException"/>, never a vendor's own.
/// </summary>
public interface IRunnerProvider
{
    /// <summary>Configured name, the key of the provider's grain; "process" for the built-in one.</summary>
    string Name { get; }

    /// <summary>What it can do.</summary>
    ProviderCapabilities Capabilities { get; }

    /// <summary>
    /// Makes the runner, or finds it: idempotent by runner key and epoch. A runner whose agent died is started again in its
    /// old place, so that what it had not sent yet is not lost. Returns once the backend accepted it, not once its agent called.
    /// </summary>
    /// <exception cref="ProviderException">It could not be made; nothing is left behind, unless the kind is Ambiguous.</exception>
    Task<RunnerHandle> EnsureAsync(RunnerSpec spec, CancellationToken cancellationToken);

    /// <summary>How it is. Missing is a state, not an exception.</summary>
    /// <exception cref="ProviderException">The backend cannot be asked now; says nothing about the runner.</exception>
    Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken);

    /// <summary>Ends it and removes what belongs to it alone; the workspace stays. Absent is a success.</summary>
    /// <exception cref="ProviderException">It may still live: call again.</exception>
    Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken);

    /// <summary>Everything that this installation owns on the backend, by marks on the resources themselves: for the orphan sweep.</summary>
    IAsyncEnumerable<RunnerHandle> ListOwnedAsync(CancellationToken cancellationToken);

    /// <summary>Agent programs that its runners find. Quick, and without making a runner; empty also where only a runner could tell.</summary>
    /// <exception cref="ProviderException">The backend cannot be asked now.</exception>
    Task<IReadOnlyList<InstalledAgent>> ListAgentsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<InstalledAgent>>([]);
}

/// <summary>An agent program that runners find.</summary>
/// <param name="Kind">Agent kind that drives it: "claude", "codex", "acp".</param>
/// <param name="Program">Its name: "claude", "opencode".</param>
/// <param name="Path">Where it lies in a runner.</param>
/// <param name="Version">As it says itself; null when it did not.</param>
public sealed record InstalledAgent(string Kind, string Program, string Path, string? Version = null);

/// <summary>Names a runner on its backend.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch of its session.</param>
public sealed record RunnerHandle(string RunnerKey, long Epoch);

/// <summary>What to make.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch of its session; from 1.</param>
/// <param name="Token">Single-use runner token. Goes into the agent's configuration, never into argv, labels or logs.</param>
/// <param name="WorkspaceId">"ws_…": the files that outlive the runner.</param>
public sealed record RunnerSpec(string RunnerKey, long Epoch, string Token, string WorkspaceId)
{
    /// <summary>Never the token.</summary>
    public override string ToString() => $"RunnerSpec({RunnerKey}, epoch {Epoch})";
}

/// <summary>What a backend can do.</summary>
/// <param name="Isolation">What stands between the agent and the host: "none", "container", "gvisor", "vm".</param>
/// <param name="CanPause">It can stop a runner's processes and go on later.</param>
/// <param name="OutlivesHost">Its runners survive a restart of the process that asked for them.</param>
public sealed record ProviderCapabilities(string Isolation, bool CanPause, bool OutlivesHost);

/// <summary>State of a runner on its backend.</summary>
public enum RunnerState
{
    /// <summary>Not known.</summary>
    Unknown = 0,
    /// <summary>Its agent runs.</summary>
    Running = 1,
    /// <summary>Its agent has ended; its place is still there.</summary>
    Exited = 2,
    /// <summary>Nothing of it is there.</summary>
    Missing = 3,
}

/// <summary>What the backend says of a runner.</summary>
/// <param name="State">State.</param>
/// <param name="ExitCode">Exit code of the agent, where known.</param>
/// <param name="Cause">"exited", "killed", "out_of_memory", "host_lost": with the evidence in <paramref name="Detail"/>.</param>
/// <param name="Detail">A sentence for people; no secret.</param>
public sealed record RunnerObservedState(RunnerState State, int? ExitCode = null, string? Cause = null, string? Detail = null);
