using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>State of a host.</summary>
public enum HostStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Its stream is up.</summary>
    Online = 1,
    /// <summary>Its stream is away; the lease of its runners runs.</summary>
    Offline = 2,
    /// <summary>Away for longer than its lease: its runners count as lost. It may come back.</summary>
    Lost = 3,
    /// <summary>Removed. Final.</summary>
    Removed = 4,
}

/// <summary>What a host is and can do, as it says itself.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.facts.v1")]
public sealed record HostFacts
{
    /// <summary>For people.</summary>
    [Id(0)] public string Name { get; init; } = "";
    /// <summary>Version of marionette-agent.</summary>
    [Id(1)] public string Version { get; init; } = "";
    /// <summary>Operating system, kernel, processor.</summary>
    [Id(2)] public string System { get; init; } = "";
    /// <summary>Changes with each boot.</summary>
    [Id(3)] public string BootId { get; init; } = "";
    /// <summary>Cores for runners.</summary>
    [Id(4)] public double Cpus { get; init; }
    /// <summary>MiB for runners.</summary>
    [Id(5)] public long MemoryMib { get; init; }
    /// <summary>MiB of disk for runners.</summary>
    [Id(6)] public long DiskMib { get; init; }
    /// <summary>Labels, for placement.</summary>
    [Id(7)] public ImmutableDictionary<string, string> Labels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>What each kind of sandbox gives there.</summary>
    [Id(8)] public ImmutableArray<HostSandbox> Sandboxes { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Agent programs that its runners find.</summary>
    [Id(9)] public ImmutableArray<HostAgent> Agents { get => field.IsDefault ? [] : field; init; } = [];
}

/// <summary>A kind of sandbox on a host: tested there.</summary>
/// <param name="Kind">"runsc", "bwrap".</param>
/// <param name="Detail">Why it does not work, or what it lacks; empty when there is nothing to say.</param>
/// <param name="Limits">"cpu", "memory", "disk", "pids": those that hold.</param>
[GenerateSerializer, Immutable, Alias("mn.host.sandbox.v1")]
public sealed record HostSandbox(
    [property: Id(0)] string Kind,
    [property: Id(1)] bool Works,
    [property: Id(2)] string Detail,
    [property: Id(3)] ImmutableArray<string> Limits,
    [property: Id(4)] bool Egress,
    [property: Id(5)] bool Pause);

/// <summary>An agent program on a host.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.agent.v1")]
public sealed record HostAgent([property: Id(0)] string Kind, [property: Id(1)] string Program, [property: Id(2)] string Path, [property: Id(3)] string? Version);

/// <summary>How busy a host is.</summary>
/// <param name="Cpu">Share of all cores in use, 0 to 1.</param>
[GenerateSerializer, Immutable, Alias("mn.host.load.v1")]
public sealed record HostLoad([property: Id(0)] double Cpu, [property: Id(1)] long MemoryUsedMib, [property: Id(2)] long DiskFreeMib);

/// <summary>A runner on a host.</summary>
/// <param name="State">"ordered" (recorded, not yet there), "running", "paused", "exited", "missing".</param>
/// <param name="Cause">A cause of death; null while it lives.</param>
[GenerateSerializer, Immutable, Alias("mn.host.runner.v1")]
public sealed record HostRunnerView(
    [property: Id(0)] string RunnerKey,
    [property: Id(1)] long Epoch,
    [property: Id(2)] string State,
    [property: Id(3)] int? ExitCode = null,
    [property: Id(4)] string? Cause = null,
    [property: Id(5)] string? Detail = null)
{
    /// <summary>Cores that it holds.</summary>
    [Id(6)] public double Cpus { get; init; }
    /// <summary>MiB of memory that it holds.</summary>
    [Id(7)] public long MemoryMib { get; init; }
    /// <summary>MiB of disk that it holds.</summary>
    [Id(8)] public long DiskMib { get; init; }
    /// <summary>"runsc", "bwrap"; empty while it is not known.</summary>
    [Id(9)] public string Sandbox { get; init; } = "";
    /// <summary>"ws_…": its files lie on this host.</summary>
    [Id(10)] public string WorkspaceId { get; init; } = "";
    /// <summary>It was given back, and its host has not removed it yet: it holds room, and is nobody's runner any more.</summary>
    [Id(11)] public bool IsReleasing { get; init; }
}

/// <summary>A host for people.</summary>
[GenerateSerializer, Immutable, Alias("mn.host.view.v1")]
public sealed record HostView
{
    /// <summary>"host_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Its pool.</summary>
    [Id(1)] public string Pool { get; init; } = "";
    /// <summary>State.</summary>
    [Id(2)] public HostStatus Status { get; init; }
    /// <summary>It takes no new runners, by an operator's word.</summary>
    [Id(3)] public bool Draining { get; init; }
    /// <summary>Why it takes no new runners, by ours or an operator's word; null while nothing is wrong.</summary>
    [Id(4)] public string? Taint { get; init; }
    /// <summary>Tenants that it may serve; empty = every tenant.</summary>
    [Id(5)] public ImmutableArray<string> Tenants { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>As it says itself.</summary>
    [Id(6)] public HostFacts Facts { get => field ?? new(); init; } = new();
    /// <summary>How busy it is; null before its first heartbeat.</summary>
    [Id(7)] public HostLoad? Load { get; init; }
    /// <summary>Runners that were given to it and are not released.</summary>
    [Id(8)] public int Runners { get; init; }
    /// <summary>Cores that they hold.</summary>
    [Id(9)] public double CpusHeld { get; init; }
    /// <summary>MiB that they hold.</summary>
    [Id(10)] public long MemoryHeldMib { get; init; }
    /// <summary>MiB of disk that they hold.</summary>
    [Id(11)] public long DiskHeldMib { get; init; }
    /// <summary>Last message.</summary>
    [Id(12)] public DateTimeOffset? LastSeenAt { get; init; }
    /// <summary>When it joined.</summary>
    [Id(13)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>Workspaces whose files lie on it: their next runner comes here.</summary>
    [Id(14)] public ImmutableArray<string> Workspaces { get => field.IsDefault ? [] : field; init; } = [];
}

/// <summary>A pool for people.</summary>
/// <param name="OneTenantPerHost">A host serves one tenant at a time.</param>
[GenerateSerializer, Immutable, Alias("mn.pool.view.v1")]
public sealed record PoolView(
    [property: Id(0)] string Name,
    [property: Id(1)] int Hosts,
    [property: Id(2)] int Online,
    [property: Id(3)] int Runners,
    [property: Id(4)] double Cpus,
    [property: Id(5)] double CpusHeld,
    [property: Id(6)] long MemoryMib,
    [property: Id(7)] long MemoryHeldMib,
    [property: Id(8)] bool OneTenantPerHost);

/// <summary>A wish for a join token.</summary>
/// <param name="Name">For people, 1 to 80 characters.</param>
/// <param name="Tenants">Tenants that its hosts may serve; empty = every tenant.</param>
/// <param name="ExpiresAt">When it ends by itself; null = never.</param>
/// <param name="MaxHosts">Hosts that may join by it; 0 = any number.</param>
[GenerateSerializer, Immutable, Alias("mn.pool.create-token.v1")]
public sealed record CreateJoinToken(
    [property: Id(0)] string Name,
    [property: Id(1)] ImmutableArray<string> Tenants,
    [property: Id(2)] DateTimeOffset? ExpiresAt,
    [property: Id(3)] int MaxHosts);

/// <summary>A join token, without its secret.</summary>
/// <param name="Id">"jtok_…".</param>
/// <param name="Hosts">Hosts that joined by it.</param>
[GenerateSerializer, Immutable, Alias("mn.pool.token.v1")]
public sealed record JoinTokenView(
    [property: Id(0)] string Id,
    [property: Id(1)] string Name,
    [property: Id(2)] ImmutableArray<string> Tenants,
    [property: Id(3)] DateTimeOffset CreatedAt,
    [property: Id(4)] DateTimeOffset? ExpiresAt,
    [property: Id(5)] int MaxHosts,
    [property: Id(6)] int Hosts,
    [property: Id(7)] DateTimeOffset? RevokedAt);

/// <summary>A join token that was made.</summary>
/// <param name="Token">"mj_…": shown once.</param>
[GenerateSerializer, Immutable, Alias("mn.pool.token-created.v1")]
public sealed record JoinTokenCreated([property: Id(0)] JoinTokenView View, [property: Id(1)] string Token)
{
    /// <summary>Never the token.</summary>
    public override string ToString() => $"JoinTokenCreated({View.Id})";
}
