using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Profiles;

/// <summary>A named size and make of runners. Key: <c>tenant/prof_…</c>.</summary>
[Alias("mn.profile.v1"), GrainInterfaceType("mn.profile")]
public interface IProfileGrain : IGrainWithStringKey
{
    /// <summary>Makes it. Idempotent.</summary>
    [Alias("create")] Task<ProfileView> CreateAsync(ProfileChange command, CancellationToken cancellationToken = default);

    /// <summary>The profile.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<ProfileView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Changes it; runners have it from their next start on.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("update")] Task<ProfileView> UpdateAsync(ProfileChange command, CancellationToken cancellationToken = default);

    /// <summary>Removes it. Whoever asks has made sure that nothing uses it.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("delete")] Task DeleteAsync(CancellationToken cancellationToken = default);
}

/// <summary>Members of a profile to set; null leaves one as it is, "" unsets a text.</summary>
[GenerateSerializer, Immutable, Alias("mn.profile.change.v1")]
public sealed record ProfileChange
{
    /// <summary>For people.</summary>
    [Id(0)] public string? Name { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string? Description { get; init; }
    /// <summary>Provider of sessions that name none.</summary>
    [Id(2)] public string? Provider { get; init; }
    /// <summary>See <see cref="RunnerShape"/>.</summary>
    [Id(3)] public string? Image { get; init; }
    /// <summary>Cores.</summary>
    [Id(4)] public double? Cpus { get; init; }
    /// <summary>MiB of memory.</summary>
    [Id(5)] public int? MemoryMib { get; init; }
    /// <summary>MiB of files; 0 = no limit.</summary>
    [Id(6)] public int? DiskMib { get; init; }
    /// <summary>Processes and threads.</summary>
    [Id(7)] public int? Pids { get; init; }
    /// <summary>See <see cref="RunnerShape"/>.</summary>
    [Id(8)] public string? Sandbox { get; init; }
    /// <summary>Environment; all of it. No secrets.</summary>
    [Id(9)] public ImmutableDictionary<string, string>? Env { get; init; }
    /// <summary>Shell script before the first task.</summary>
    [Id(10)] public string? InitScript { get; init; }
    /// <summary>Network policy of sessions that name none.</summary>
    [Id(11)] public string? NetworkPolicy { get; init; }
    /// <summary>With it; all of them. Default = as it is.</summary>
    [Id(12)] public ImmutableArray<string> AllowedHosts { get; init; }
    /// <summary>Labels; all of them.</summary>
    [Id(13)] public ImmutableDictionary<string, string>? Labels { get; init; }
    /// <summary>Labels that a pool's host must have; all of them. See <see cref="RunnerShape"/>.</summary>
    [Id(14)] public ImmutableDictionary<string, string>? HostLabels { get; init; }
}

/// <summary>A profile. Times are UTC.</summary>
[GenerateSerializer, Immutable, Alias("mn.profile.view.v1")]
public sealed record ProfileView
{
    /// <summary>"prof_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string Name { get; init; } = "";
    /// <summary>For people.</summary>
    [Id(2)] public string? Description { get; init; }
    /// <summary>Provider of sessions that name none; null = the installation's default.</summary>
    [Id(3)] public string? Provider { get; init; }
    /// <summary>Size and make.</summary>
    [Id(4)] public RunnerShape Shape { get => field ?? new(); init; } = new();
    /// <summary>Network policy of sessions that name none; null = "open".</summary>
    [Id(5)] public string? NetworkPolicy { get; init; }
    /// <summary>With it.</summary>
    [Id(6)] public ImmutableArray<string> AllowedHosts { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>The user's labels.</summary>
    [Id(7)] public ImmutableDictionary<string, string> Labels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>When it was made.</summary>
    [Id(8)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When it last changed.</summary>
    [Id(9)] public DateTimeOffset UpdatedAt { get; init; }
}
