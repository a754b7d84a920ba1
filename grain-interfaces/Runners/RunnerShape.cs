using System.Collections.Immutable;

namespace Marionette.Runners;

/// <summary>Size and make of a runner, as its profile said when it was ordered. Stored in the runner's row: a restart gives the same.</summary>
[GenerateSerializer, Immutable, Alias("mn.runner.shape.v1")]
public sealed record RunnerShape
{
    /// <summary>Name of the profile; "default" where the session has none.</summary>
    [Id(0)] public string Profile { get; init; } = "default";
    /// <summary>Image of container backends; null = the backend's own.</summary>
    [Id(1)] public string? Image { get; init; }
    /// <summary>Cores.</summary>
    [Id(2)] public double Cpus { get; init; } = 2;
    /// <summary>MiB of memory.</summary>
    [Id(3)] public int MemoryMib { get; init; } = 4096;
    /// <summary>MiB of files; 0 = no limit.</summary>
    [Id(4)] public int DiskMib { get; init; } = 10_240;
    /// <summary>Processes and threads.</summary>
    [Id(5)] public int Pids { get; init; } = 2048;
    /// <summary>"auto", or the one sandbox that is wanted.</summary>
    [Id(6)] public string Sandbox { get; init; } = "auto";
    /// <summary>Environment of everything in the runner; no secrets.</summary>
    [Id(7)] public ImmutableDictionary<string, string> Env { get => field ?? ImmutableDictionary<string, string>.Empty; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>Shell script before the first task, or null.</summary>
    [Id(8)] public string? InitScript { get; init; }
    /// <summary>Labels that a pool's host must have to take it.</summary>
    [Id(9)] public ImmutableDictionary<string, string> HostLabels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>What a runner may reach.</summary>
/// <param name="Mode">"open", "allow_list", "deny".</param>
/// <param name="Allowed">What is reachable beside what the mode gives; the model's API is among it.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.network.v1")]
public sealed record NetworkRules([property: Id(0)] string Mode, [property: Id(1)] ImmutableArray<string> Allowed)
{
    /// <summary>Every public address.</summary>
    public static NetworkRules Open { get; } = new("open", []);
}

/// <summary>How far a runner's start is.</summary>
/// <param name="Phase">"queue", "image", "create", "network", "start", "claim", or a backend's own.</param>
/// <param name="TookMs">Null while the phase goes on.</param>
/// <param name="Detail">A sentence for people.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.step.v1")]
public sealed record RunnerStep([property: Id(0)] string Phase, [property: Id(1)] long? TookMs, [property: Id(2)] string? Detail);

/// <summary>A runner may use less of its processors than its profile says, or all of them again.</summary>
/// <param name="IsOver">It has them again.</param>
/// <param name="Cpus">What it may use now.</param>
/// <param name="Reason">"births_refused": it met its limit of processes again and again.</param>
/// <param name="Count">Times that it was throttled, this one included.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.throttle.v1")]
public sealed record RunnerThrottle(
    [property: Id(0)] bool IsOver,
    [property: Id(1)] double Cpus,
    [property: Id(2)] string Reason,
    [property: Id(3)] int Count);

/// <summary>Something that a runner's network policy held back.</summary>
/// <param name="Target">A name, or an address where no name was asked for.</param>
/// <param name="Port">0 where the protocol has none.</param>
/// <param name="Protocol">"tcp", "udp", "dns", "icmp", "other".</param>
/// <param name="Reason">"not_listed", "private", "metadata", "protocol", "name_mismatch".</param>
/// <param name="Count">Times since the last report of the same target.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.blocked.v1")]
public sealed record BlockedTarget(
    [property: Id(0)] string Target,
    [property: Id(1)] int Port,
    [property: Id(2)] string Protocol,
    [property: Id(3)] string Reason,
    [property: Id(4)] int Count);
