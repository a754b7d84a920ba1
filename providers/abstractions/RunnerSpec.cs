using System.Collections.Immutable;

namespace Marionette.Providers;

/// <summary>Names a runner on its backend.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch of its session.</param>
public sealed record RunnerHandle(string RunnerKey, long Epoch)
{
    /// <summary>What stands between this one and its host, where a backend's runners differ; null = as <see cref="ProviderCapabilities.Isolation"/> says.</summary>
    public string? Isolation { get; init; }

    /// <summary>What isolates a runner is no part of its name.</summary>
    public bool Equals(RunnerHandle? other) => other is not null && RunnerKey == other.RunnerKey && Epoch == other.Epoch;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(RunnerKey, Epoch);
}

/// <summary>What to make.</summary>
/// <param name="RunnerKey">"tenant/run_…".</param>
/// <param name="Epoch">Epoch of its session; from 1.</param>
/// <param name="Token">Single-use runner token. Goes into the agent's configuration, never into argv, labels, environment or logs.</param>
/// <param name="WorkspaceId">"ws_…": the files that outlive the runner.</param>
public sealed record RunnerSpec(string RunnerKey, long Epoch, string Token, string WorkspaceId)
{
    /// <summary>Size and make.</summary>
    public RunnerProfile Profile { get; init; } = RunnerProfile.Default;

    /// <summary>What it may reach. Ignored, and said so in <see cref="ProviderCapabilities"/>, where the backend has no control of it.</summary>
    public EgressPolicy Egress { get; init; } = EgressPolicy.Open;

    /// <summary>A warm slot to claim; when another has claimed it, or it is gone, a new runner is made. Null = make a new one.</summary>
    public string? WarmSlot { get; init; }

    /// <summary>Never the token.</summary>
    public override string ToString() => $"RunnerSpec({RunnerKey}, epoch {Epoch})";
}

/// <summary>Size and make of a runner. A backend takes what it can enforce; <see cref="ProviderCapabilities.Limits"/> says what that is.</summary>
public sealed record RunnerProfile
{
    /// <summary>What a session without a profile gets.</summary>
    public static RunnerProfile Default { get; } = new();

    /// <value>Name, for warm slots and people: slots of one name and revision are alike.</value>
    public string Name { get; init; } = "default";

    /// <value>Changes with each change of the profile: slots of an older one are not claimed.</value>
    public string Revision { get; init; } = "";

    /// <value>Image of container backends; null = the backend's own.</value>
    public string? Image { get; init; }

    /// <value>Cores, 0.1 to 1024; default 2.</value>
    public double Cpus { get; init; } = 2;

    /// <value>MiB, 64 to 4 Mi; default 4096. Beyond it the runner dies of "out_of_memory".</value>
    public int MemoryMib { get; init; } = 4096;

    /// <value>MiB of files that it may write, home and temporary files included; default 10240. 0 = no limit.</value>
    public int DiskMib { get; init; } = 10_240;

    /// <value>Processes and threads, 16 to 1 Mi; default 2048.</value>
    public int Pids { get; init; } = 2048;

    /// <value>"auto": the strongest that works there; or "runc", "runsc", "bwrap": that one or none.</value>
    public string Sandbox { get; init; } = "auto";

    /// <value>Labels that a pool's host must have; other backends have no use for them.</value>
    public ImmutableDictionary<string, string> HostLabels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <value>Environment of everything in the runner; no secrets, these belong to the session.</value>
    public ImmutableDictionary<string, string> Env { get; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>A warm slot to make.</summary>
/// <param name="SlotId">"warm_…"; chosen by the caller.</param>
/// <param name="Profile">What it is like.</param>
public sealed record WarmSpec(string SlotId, RunnerProfile Profile);

/// <summary>A warm slot that nobody has claimed.</summary>
/// <param name="SlotId">"warm_…".</param>
/// <param name="Profile">Name of its profile.</param>
/// <param name="Revision">Revision of its profile.</param>
/// <param name="CreatedAt">When it was made, by the backend's clock.</param>
public sealed record WarmSlot(string SlotId, string Profile, string Revision, DateTimeOffset CreatedAt);
