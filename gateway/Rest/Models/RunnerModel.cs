using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Gateway.Rest.Models;

/// <summary>An execution environment as clients see it.</summary>
internal sealed class RunnerModel
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public required string Hostname { get; init; }
    [OneOf("provisioning", "started", "online", "offline", "paused", "released", "lost")]
    public required string Status { get; init; }
    public string? Reason { get; init; }
    public required string Provider { get; init; }
    public string? SessionId { get; init; }
    public required long Epoch { get; init; }
    /// <summary>A runner serves one session and is never handed on; one that was lost is not to be trusted.</summary>
    public required bool Tainted { get; init; }
    public required string SandboxMode { get; init; }
    public required ImmutableArray<string> SandboxTypes { get; init; }
    public required ImmutableArray<string> Capabilities { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public string? AgentVersion { get; init; }
    public required ImmutableDictionary<string, long> StartPhasesMs { get; init; }
    public required RunnerShapeModel Shape { get; init; }
    public required RunnerNetworkModel Network { get; init; }
    public DateTime? LastSeenAt { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static RunnerModel Of(RunnerView view) => new()
    {
        Id = view.Id,
        Name = view.Name ?? "",
        Hostname = view.Hostname ?? "",
        Status = EnumText<RunnerStatus>.Of(view.Status),
        Reason = Shown.OrNull(view.Reason),
        Provider = view.Provider ?? "",
        SessionId = view.SessionId,
        Epoch = view.Epoch,
        Tainted = view.Status == RunnerStatus.Lost,
        SandboxMode = view.SandboxMode ?? "none",
        SandboxTypes = [view.SandboxMode ?? "none"],
        Capabilities = AgentCatalog.Names, // every marionette-agent drives all kinds
        Labels = Shown.NoAnnotations,
        Annotations = Shown.NoAnnotations,
        AgentVersion = view.AgentVersion,
        StartPhasesMs = Shown.OrEmpty(view.StartPhasesMs),
        Shape = RunnerShapeModel.Of(view.Shape),
        Network = new RunnerNetworkModel(view.Network.Mode, Shown.OrEmpty(view.Network.Allowed)),
        LastSeenAt = view.LastSeenAt?.UtcDateTime,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}

/// <summary>Size and make of a runner, as its profile said when it was ordered; what of it is enforced, its provider tells.</summary>
/// <param name="Profile">Name of the profile; "default" without one.</param>
/// <param name="DiskMib">0 = no limit.</param>
/// <param name="Pids">Processes and threads.</param>
internal sealed record RunnerShapeModel(string Profile, double Cpus, int MemoryMib, int DiskMib, int Pids, string Sandbox)
{
    /// <summary>Null = the backend's own.</summary>
    public string? Image { get; init; }

    public static RunnerShapeModel Of(RunnerShape shape) =>
        new(shape.Profile, shape.Cpus, shape.MemoryMib, shape.DiskMib, shape.Pids, shape.Sandbox) { Image = shape.Image };
}

/// <summary>What a runner may reach, where its provider controls it.</summary>
/// <param name="AllowedHosts">The session's, and the model's API.</param>
internal sealed record RunnerNetworkModel(string Policy, ImmutableArray<string> AllowedHosts);
