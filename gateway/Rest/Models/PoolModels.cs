using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Marionette.Pools;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A pool of hosts, in sums.</summary>
internal sealed class PoolModel
{
    public required string Name { get; init; }
    public required int Hosts { get; init; }
    /// <summary>Those whose stream is up.</summary>
    public required int Online { get; init; }
    public required int Runners { get; init; }
    /// <summary>Cores of its hosts for runners.</summary>
    public required double Cpus { get; init; }
    /// <summary>Cores that runners hold.</summary>
    public required double CpusHeld { get; init; }
    public required long MemoryMib { get; init; }
    public required long MemoryHeldMib { get; init; }
    /// <summary>A host serves one tenant at a time.</summary>
    public required bool OneTenantPerHost { get; init; }

    public static PoolModel Of(PoolView view) => new()
    {
        Name = view.Name, Hosts = view.Hosts, Online = view.Online, Runners = view.Runners, Cpus = view.Cpus, CpusHeld = view.CpusHeld,
            MemoryMib = view.MemoryMib,
        MemoryHeldMib = view.MemoryHeldMib, OneTenantPerHost = view.OneTenantPerHost,
    };
}

/// <summary>A host of a pool.</summary>
internal sealed class HostModel
{
    public required string Id { get; init; }
    public required string Pool { get; init; }
    public required string Name { get; init; }
    [OneOf("online", "offline", "lost", "removed")]
    public required string Status { get; init; }
    /// <summary>It takes no new runners, by an operator's word.</summary>
    public required bool Draining { get; init; }
    /// <summary>Why it takes no new runners although it is not drained.</summary>
    public string? Taint { get; init; }
    /// <summary>Tenants that it may serve; empty = every tenant.</summary>
    public required ImmutableArray<string> Tenants { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    /// <summary>Version of its marionette-agent.</summary>
    public required string Version { get; init; }
    public required string System { get; init; }
    /// <summary>Cores for runners.</summary>
    public required double Cpus { get; init; }
    public required long MemoryMib { get; init; }
    public required long DiskMib { get; init; }
    /// <summary>Runners that were given to it and are not released, and what they hold.</summary>
    public required int Runners { get; init; }
    public required double CpusHeld { get; init; }
    public required long MemoryHeldMib { get; init; }
    public required long DiskHeldMib { get; init; }
    /// <summary>Absent before its first heartbeat.</summary>
    public HostLoadModel? Load { get; init; }
    public required IReadOnlyList<HostSandboxModel> Sandboxes { get; init; }
    /// <summary>Agent programs that its runners find.</summary>
    public required IReadOnlyList<HostAgentModel> Agents { get; init; }
    /// <summary>Workspaces whose files lie on it: their next runner comes here.</summary>
    public required ImmutableArray<string> Workspaces { get; init; }
    public DateTime? LastSeenAt { get; init; }
    public required DateTime CreatedAt { get; init; }

    public static HostModel Of(HostView view) => new()
    {
        Id = view.Id, Pool = view.Pool, Name = view.Facts.Name, Status = EnumText<HostStatus>.Of(view.Status), Draining = view.Draining,
            Taint = Shown.OrNull(view.Taint),
        Tenants = view.Tenants, Labels = view.Facts.Labels, Version = view.Facts.Version, System = view.Facts.System, Cpus = view.Facts.Cpus,
        MemoryMib = view.Facts.MemoryMib, DiskMib = view.Facts.DiskMib, Runners = view.Runners, CpusHeld = view.CpusHeld, MemoryHeldMib = view.MemoryHeldMib,
        DiskHeldMib = view.DiskHeldMib, Load = view.Load is { } load ? new HostLoadModel(load.Cpu, load.MemoryUsedMib, load.DiskFreeMib) : null,
        Sandboxes = [.. view.Facts.Sandboxes.Select(HostSandboxModel.Of)],
        Agents = [.. view.Facts.Agents.Select(agent => new HostAgentModel(agent.Kind, agent.Program, agent.Path, agent.Version))],
        Workspaces = view.Workspaces, LastSeenAt = view.LastSeenAt?.UtcDateTime, CreatedAt = view.CreatedAt.UtcDateTime,
    };
}

/// <summary>How busy a host is.</summary>
/// <param name="Cpu">Share of all cores in use, 0 to 1.</param>
internal sealed record HostLoadModel(double Cpu, long MemoryUsedMib, long DiskFreeMib);

/// <summary>A kind of sandbox on a host, as tested there.</summary>
/// <param name="Detail">Why it does not work, or what it lacks.</param>
/// <param name="Limits">Those that hold: cpu, memory, disk, pids.</param>
/// <param name="Egress">Network policy holds.</param>
internal sealed record HostSandboxModel(string Kind, bool Works, string? Detail, ImmutableArray<string> Limits, bool Egress, bool Pause)
{
    public static HostSandboxModel Of(HostSandbox facts) =>
        new(facts.Kind, facts.Works, Shown.OrNull(facts.Detail), Shown.OrEmpty(facts.Limits), facts.Egress, facts.Pause);
}

/// <summary>An agent program on a host.</summary>
internal sealed record HostAgentModel(string Kind, string Program, string Path, string? Version);

/// <summary>Body of PATCH /api/v1/pools/{pool}/hosts/{id}. What is left out stays as it is.</summary>
internal sealed class ChangeHostModel
{
    /// <summary>True: no new runners; those it has go on.</summary>
    public bool? Draining { get; init; }

    /// <summary>Why it takes no new runners; null or empty takes the taint away.</summary>
    public string? Taint
    {
        get;
        set
        {
            field = value;
            NamesTaint = true;
        }
    }

    /// <summary>The body has the member, be it null: that is another thing than leaving it out.</summary>
    internal bool NamesTaint { get; private set; }
}

/// <summary>Body of POST /api/v1/pools/{pool}/tokens.</summary>
internal sealed class CreateJoinTokenModel
{
    /// <summary>For people, 1 to 80 characters.</summary>
    [Required]
    public string? Name { get; init; }
    /// <summary>Tenants that its hosts may serve; left out = every tenant.</summary>
    public List<string?>? Tenants { get; init; }
    /// <summary>Left out = it does not expire.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
    /// <summary>Hosts that may join by it; 0 = any number.</summary>
    public int? MaxHosts { get; init; }
}

/// <summary>A join token without its secret.</summary>
internal sealed class JoinTokenModel
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    /// <summary>Tenants that its hosts may serve; empty = every tenant.</summary>
    public required ImmutableArray<string> Tenants { get; init; }
    /// <summary>0 = any number.</summary>
    public required int MaxHosts { get; init; }
    /// <summary>Hosts that joined by it.</summary>
    public required int Hosts { get; init; }
    public required DateTime CreatedAt { get; init; }
    public DateTime? ExpiresAt { get; init; }
    public DateTime? RevokedAt { get; init; }

    public static JoinTokenModel Of(JoinTokenView view) => new()
    {
        Id = view.Id, Name = view.Name, Tenants = Shown.OrEmpty(view.Tenants), MaxHosts = view.MaxHosts, Hosts = view.Hosts,
            CreatedAt = view.CreatedAt.UtcDateTime,
        ExpiresAt = view.ExpiresAt?.UtcDateTime, RevokedAt = view.RevokedAt?.UtcDateTime,
    };
}

/// <summary>A join token that was just made.</summary>
internal sealed class CreatedJoinTokenModel
{
    public required JoinTokenModel Token { get; init; }
    /// <summary>The token itself. Shown this once: a repeat with the same idempotency key has it no more.</summary>
    public string? RawToken { get; init; }
    /// <summary>Port at which the gateway that answers takes hosts and runners. A proxy before it may have another one.</summary>
    public int? GrpcPort { get; init; }
}
