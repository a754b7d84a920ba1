namespace Marionette.Providers;

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
    /// <summary>Its processes stand still, memory kept.</summary>
    Paused = 4,
}

/// <summary>What the backend says of a runner.</summary>
/// <param name="State">State.</param>
/// <param name="ExitCode">Exit code of the agent, where known; a signal shows as 128 + its number.</param>
/// <param name="Cause">One of <see cref="DeathCauses"/>, with the evidence in <paramref name="Detail"/>; null while it lives.</param>
/// <param name="Detail">A sentence for people; no secret.</param>
public sealed record RunnerObservedState(RunnerState State, int? ExitCode = null, string? Cause = null, string? Detail = null);

/// <summary>Why a runner's agent is not there any more. Users see these names (docs/reference/events.md).</summary>
public static class DeathCauses
{
    /// <summary>The agent ended by itself; the exit code tells.</summary>
    public const string Exited = "exited";

    /// <summary>A signal that we did not send ended it.</summary>
    public const string Killed = "killed";

    /// <summary>It needed more memory than its profile has.</summary>
    public const string OutOfMemory = "out_of_memory";

    /// <summary>It wrote more than its profile has, and ended of it.</summary>
    public const string DiskFull = "disk_full";

    /// <summary>The backend's own service was started anew and took it along.</summary>
    public const string EngineRestarted = "engine_restarted";

    /// <summary>Somebody else removed it.</summary>
    public const string Removed = "removed";

    /// <summary>Its host is gone.</summary>
    public const string HostLost = "host_lost";
}

/// <summary>Something that a backend tells unasked.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch that the backend's marks say.</param>
public abstract record ProviderNotice(string RunnerKey, long Epoch);

/// <summary>Its agent ended, or it is gone: look at it.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch that the backend's marks say.</param>
public sealed record RunnerEndedNotice(string RunnerKey, long Epoch) : ProviderNotice(RunnerKey, Epoch);

/// <summary>Its network policy held something back.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch that the backend's marks say.</param>
/// <param name="Target">"api.example.com", or an address where no name was asked for.</param>
/// <param name="Port">Port; 0 where the protocol has none.</param>
/// <param name="Protocol">"tcp", "udp", "dns", "icmp", "other".</param>
/// <param name="Reason">"not_listed", "private", "metadata", "protocol", "name_mismatch".</param>
/// <param name="Count">Times since the last notice of the same target, from 1: a loop of tries is not a flood of events.</param>
public sealed record EgressBlockedNotice(string RunnerKey, long Epoch, string Target, int Port, string Protocol, string Reason, int Count)
    : ProviderNotice(RunnerKey, Epoch);

/// <summary>It may use less of its processors than its profile says, or all of them again.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch that the backend's marks say.</param>
/// <param name="IsOver">It has them again.</param>
/// <param name="Cpus">What it may use now.</param>
/// <param name="Reason">"births_refused": it met its limit of processes again and again.</param>
/// <param name="Count">Times that it was throttled, this one included.</param>
public sealed record RunnerThrottledNotice(string RunnerKey, long Epoch, bool IsOver, double Cpus, string Reason, int Count)
    : ProviderNotice(RunnerKey, Epoch);
