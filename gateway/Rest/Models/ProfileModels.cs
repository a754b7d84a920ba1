using System.Collections.Immutable;
using Marionette.Profiles;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Body of POST, PUT and PATCH /api/v1/profiles: members that are there are set, "" and {} unset.</summary>
internal sealed class ChangeProfileModel
{
    /// <summary>Required to make one.</summary>
    public string? Name { get; init; }
    public string? Description { get; init; }
    /// <summary>Backend of sessions that name none.</summary>
    public string? Provider { get; init; }
    public string? Image { get; init; }
    /// <summary>Cores, 0.1 to 1024.</summary>
    public double? Cpus { get; init; }
    public int? MemoryMib { get; init; }
    /// <summary>0 = no limit.</summary>
    public int? DiskMib { get; init; }
    /// <summary>Processes and threads.</summary>
    public int? Pids { get; init; }
    [OneOf("auto", "runc", "runsc", "bwrap")]
    public string? Sandbox { get; init; }
    /// <summary>All of it. It is shown: no secrets.</summary>
    public Dictionary<string, string?>? Env { get; init; }
    /// <summary>Shell script in the workspace, before the first task.</summary>
    public string? InitScript { get; init; }
    [OneOf("open", "allow_list", "deny", "")]
    public string? NetworkPolicy { get; init; }
    public List<string?>? AllowedHosts { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    /// <summary>Labels that a pool's host must have to take its runners; all of them, at most 16.</summary>
    public Dictionary<string, string?>? HostLabels { get; init; }
}

/// <summary>A named size and make of runners.</summary>
internal sealed class ProfileModel
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }
    public string? Provider { get; init; }
    public string? Image { get; init; }
    public required double Cpus { get; init; }
    public required int MemoryMib { get; init; }
    public required int DiskMib { get; init; }
    public required int Pids { get; init; }
    public required string Sandbox { get; init; }
    public required ImmutableDictionary<string, string> Env { get; init; }
    public string? InitScript { get; init; }
    public string? NetworkPolicy { get; init; }
    public required ImmutableArray<string> AllowedHosts { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> HostLabels { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static ProfileModel Of(ProfileView view) => new()
    {
        Id = view.Id, Name = view.Name, Description = view.Description, Provider = view.Provider, Image = view.Shape.Image, Cpus = view.Shape.Cpus,
        MemoryMib = view.Shape.MemoryMib, DiskMib = view.Shape.DiskMib, Pids = view.Shape.Pids, Sandbox = view.Shape.Sandbox, Env = view.Shape.Env,
        InitScript = view.Shape.InitScript, NetworkPolicy = view.NetworkPolicy, AllowedHosts = view.AllowedHosts, Labels = view.Labels,
        HostLabels = view.Shape.HostLabels,
        CreatedAt = view.CreatedAt.UtcDateTime, UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}
