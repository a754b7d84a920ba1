using System.Collections.Immutable;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A session as clients see it.</summary>
internal sealed class SessionModel
{
    public required string Id { get; init; }
    public string? Name { get; init; }
    [OneOf("pending", "active", "suspended", "resuming", "terminated", "failed")]
    public required string Status { get; init; }
    public required string Phase { get; init; }
    public string? Reason { get; init; }
    public required string Agent { get; init; }
    public string? AgentVersion { get; init; }
    public string? AgentConfigId { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    public required bool IsByok { get; init; }
    public required ImmutableArray<string> EnvNames { get; init; }
    public string? RunnerId { get; init; }
    public string? PreviousRunnerId { get; init; }
    public required long Epoch { get; init; }
    public required string WorkspaceId { get; init; }
    public string? ProfileId { get; init; }
    /// <summary>Backend that makes its runners; null = the installation's default.</summary>
    public string? Provider { get; init; }
    public required string NetworkPolicy { get; init; }
    public required ImmutableArray<string> AllowedHosts { get; init; }
    public required string LifecycleMode { get; init; }
    public int? IdleTimeoutSeconds { get; init; }
    /// <summary>What becomes of its runner when it is suspended and nobody says.</summary>
    [OneOf("release", "pause")]
    public required string SuspendStrategy { get; init; }
    /// <summary>Since when its runner, runner_id, is paused; absent = it has none, or one that works.</summary>
    public DateTime? PausedAt { get; init; }
    public required string PermissionMode { get; init; }
    /// <summary>An unanswered permission request is denied after this; absent = the session is older than this member.</summary>
    public int? PermissionTimeoutSeconds { get; init; }
    public TermsModel? PermissionPolicy { get; init; }
    /// <summary>Rules of its own, those of "always allow this" too.</summary>
    public IReadOnlyList<PolicyModel>? PermissionRules { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public string? ConversationId { get; init; }
    public required long LastSeq { get; init; }
    public string? CurrentTaskId { get; init; }
    public required int QueuedTasks { get; init; }
    public required Usage Usage { get; init; }
    public IReadOnlyList<string>? Command { get; init; }
    public required ImmutableArray<string> OptionNames { get; init; }
    public Budget? Budget { get; init; }
    public required bool AutoContinue { get; init; }
    /// <summary>What becomes of a run whose runner is lost.</summary>
    [OneOf("at_once", "ask", "never")]
    public required string FailoverPolicy { get; init; }
    /// <summary>When its life ends; absent = when somebody ends it.</summary>
    public DateTime? ExpiresAt { get; init; }
    /// <summary>A change of model or permission mode waits for the agent's word.</summary>
    public required bool IsChanging { get; init; }
    /// <summary>What it goes on from when its runner is lost; absent = no checkpoint yet.</summary>
    public RecoveryPointModel? RecoveryPoint { get; init; }
    /// <summary>What its workspace began with; absent = nothing.</summary>
    public SessionOriginModel? From { get; init; }
    public DateTime? LastActivityAt { get; init; }
    public DateTime? SuspendedAt { get; init; }
    public DateTime? ResumedAt { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static SessionModel Of(SessionView view) => new()
    {
        Id = view.Id,
        Name = view.Name,
        Status = EnumText<SessionStatus>.Of(view.Status),
        Phase = view.Phase,
        Reason = Shown.OrNull(view.Reason),
        Agent = view.Agent,
        AgentVersion = view.AgentVersion,
        PermissionPolicy = TermsModel.Of(view.PermissionPolicy),
        PermissionRules = view.PermissionRules.IsEmpty ? null : [.. view.PermissionRules.Select(rule => PolicyModel.Of(rule))],
        AgentConfigId = view.AgentConfigId,
        Model = view.Model,
        BaseUrl = view.BaseUrl,
        IsByok = view.IsByok,
        EnvNames = Shown.OrEmpty(view.EnvNames),
        RunnerId = view.RunnerId,
        PreviousRunnerId = view.PreviousRunnerId,
        Epoch = view.Epoch,
        WorkspaceId = view.WorkspaceId,
        ProfileId = view.ProfileId,
        Provider = view.Provider,
        NetworkPolicy = view.NetworkPolicy,
        AllowedHosts = Shown.OrEmpty(view.AllowedHosts),
        LifecycleMode = view.LifecycleMode,
        IdleTimeoutSeconds = view.IdleTimeoutSeconds,
        SuspendStrategy = view.SuspendStrategy,
        PausedAt = view.PausedAt?.UtcDateTime,
        PermissionMode = view.PermissionMode,
        PermissionTimeoutSeconds = view.PermissionTimeoutSeconds > 0 ? view.PermissionTimeoutSeconds : null,
        Labels = Shown.OrEmpty(view.Labels),
        Annotations = Shown.NoAnnotations,
        ConversationId = view.ConversationId,
        LastSeq = view.LastSeq,
        CurrentTaskId = view.CurrentTaskId,
        QueuedTasks = view.QueuedTasks,
        Usage = view.Usage ?? Usage.None,
        Command = view.Command.IsDefaultOrEmpty ? null : view.Command,
        OptionNames = Shown.OrEmpty(view.OptionNames),
        Budget = view.Budget,
        AutoContinue = view.AutoContinue,
        FailoverPolicy = view.FailoverPolicy,
        ExpiresAt = view.ExpiresAt?.UtcDateTime,
        IsChanging = view.IsChanging,
        RecoveryPoint = RecoveryPointModel.Of(view.RecoveryPoint),
        From = SessionOriginModel.Of(view.Origin),
        LastActivityAt = view.LastActivityAt?.UtcDateTime,
        SuspendedAt = view.SuspendedAt?.UtcDateTime,
        ResumedAt = view.ResumedAt?.UtcDateTime,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}

/// <summary>The newest checkpoint of a session.</summary>
internal sealed class RecoveryPointModel
{
    public required DateTime At { get; init; }
    /// <summary>Its event in the session's log: runs that ended before it are in it.</summary>
    public required long Seq { get; init; }
    [OneOf("run", "interval", "stop", "pause", "origin", "restore")]
    public required string Reason { get; init; }
    /// <summary>Snapshot of the workspace.</summary>
    public required string Workspace { get; init; }
    /// <summary>Snapshot of the agent's home, with its conversations; absent = it began with a workspace alone.</summary>
    public string? Home { get; init; }
    public required long Files { get; init; }
    public required long Bytes { get; init; }

    public static RecoveryPointModel? Of(RecoveryPoint? point) => point is null
        ? null
        : new()
        {
            At = point.At.UtcDateTime, Seq = point.Seq, Reason = point.Reason, Workspace = point.Workspace, Home = Shown.OrNull(point.Home), Files = point.Files, Bytes = point.Bytes,
        };
}
