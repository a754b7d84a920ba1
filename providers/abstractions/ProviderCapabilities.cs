namespace Marionette.Providers;

/// <summary>What a backend can do.</summary>
/// <param name="Isolation">What stands between the agent and the host: "none", "bwrap", "container", "gvisor", "vm".</param>
/// <param name="CanPause">It can stop a runner's processes and go on later, memory kept.</param>
/// <param name="OutlivesHost">Its runners survive a restart of the process that asked for them.</param>
public sealed record ProviderCapabilities(string Isolation, bool CanPause, bool OutlivesHost)
{
    /// <summary>A paused runner's memory can be written out and brought back elsewhere.</summary>
    public bool CanSnapshotMemory { get; init; }

    /// <summary>Containers can be run inside a runner.</summary>
    public bool NestedContainers { get; init; }

    /// <summary>Runners can be given a GPU.</summary>
    public bool Gpu { get; init; }

    /// <summary>It enforces a network policy, and changes it in a running runner.</summary>
    public bool ControlsEgress { get; init; }

    /// <summary>Runners can show a desktop.</summary>
    public bool Desktop { get; init; }

    /// <summary>It keeps warm slots.</summary>
    public bool CanWarm { get; init; }

    /// <summary>It tells of deaths as they happen.</summary>
    public bool Watches { get; init; }

    /// <summary>It is a pool: its runners live on hosts that join it.</summary>
    public bool IsPool { get; init; }

    /// <summary>What of a profile it enforces.</summary>
    public RunnerLimits Limits { get; init; }
}

/// <summary>Limits of a profile that a backend enforces.</summary>
[Flags]
public enum RunnerLimits
{
    /// <summary>None.</summary>
    None = 0,
    /// <summary><see cref="RunnerProfile.Cpus"/>.</summary>
    Cpu = 1,
    /// <summary><see cref="RunnerProfile.MemoryMib"/>.</summary>
    Memory = 2,
    /// <summary><see cref="RunnerProfile.DiskMib"/>.</summary>
    Disk = 4,
    /// <summary><see cref="RunnerProfile.Pids"/>.</summary>
    Pids = 8,
}
