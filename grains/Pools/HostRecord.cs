using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>A host's row: what it is, what was given to it, and what proves it.</summary>
internal sealed record HostRecord
{
    public required string Id { get; init; }

    /// <summary>SHA-256 of the secret that the first hello brought, hex.</summary>
    public string SecretHash { get; init; } = "";

    /// <summary>Online stands for "has joined": whether its stream is up is not stored.</summary>
    public HostStatus Status { get; init; }

    public bool Draining { get; init; }

    public string? Taint { get; init; }

    public ImmutableArray<string> Tenants { get => field.IsDefault ? [] : field; init; } = [];

    public HostFacts Facts { get => field ?? new(); init; } = new();

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? LastSeenAt { get; init; }

    private static ImmutableDictionary<string, HostRunnerRecord> None => ImmutableDictionary<string, HostRunnerRecord>.Empty;

    /// <summary>Runners by key.</summary>
    public ImmutableDictionary<string, HostRunnerRecord> Runners { get => field ?? None; init; } = None;

    /// <summary>Workspaces whose files lie on it; the one that was used last is last.</summary>
    public ImmutableArray<string> Workspaces { get => field.IsDefault ? [] : field; init; } = [];

    /// <summary>Workspaces, as "tenant/ws_…", whose files here are out of date or were never used: the host is to remove them.</summary>
    public ImmutableArray<string> Outdated { get => field.IsDefault ? [] : field; init; } = [];

    public HostRecord With(string key, HostRunnerRecord runner) => this with { Runners = Runners.SetItem(key, runner) };

    public HostRecord Without(string key) => this with { Runners = Runners.Remove(key) };

    /// <summary>Its start failed. Where it would have been the first with the workspace's files, what was made of them is to go.</summary>
    public HostRecord WithoutStart(string key) => Runners.GetValueOrDefault(key) is { IsFirstOfWorkspace: true } runner
        ? Without(key).WithoutFiles(GrainKeys.Of(GrainKeys.Split(key).Tenant, runner.WorkspaceId))
        : Without(key);

    /// <summary>The files of a workspace are not to be here any more.</summary>
    public HostRecord WithoutFiles(string workspaceKey) => this with
    {
        Workspaces = Workspaces.Remove(GrainKeys.Split(workspaceKey).Id),
        Outdated = Outdated.Contains(workspaceKey) ? Outdated : Outdated.Add(workspaceKey),
    };
}

/// <summary>A runner that was given to a host.</summary>
internal sealed record HostRunnerRecord
{
    public long Epoch { get; init; }

    public double Cpus { get; init; }

    public long MemoryMib { get; init; }

    public long DiskMib { get; init; }

    public string WorkspaceId { get; init; } = "";

    /// <summary>No files of its workspace were here when it was ordered.</summary>
    public bool IsFirstOfWorkspace { get; init; }

    /// <summary>The host has made it.</summary>
    public bool IsMade { get; init; }

    /// <summary>Its host was away for longer than the lease: whoever asks is told that it is lost.</summary>
    public bool IsGivenUp { get; init; }

    /// <summary>It was given back: the host is to remove it as soon as it can be told.</summary>
    public bool IsReleasing { get; init; }
}
