using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Marionette.Schedules;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest.Models;

/// <summary>The session to make for each occurrence: what POST /api/v1/sessions takes, but secrets. Those come from an agent configuration.</summary>
internal sealed class SessionTemplateModel
{
    [Required, OneOf("claude", "codex", "acp", "command")]
    public string? Agent { get; init; }
    public string? Name { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public string? AgentConfigId { get; init; }
    public string? WorkspaceId { get; init; }
    public string? ProfileId { get; init; }
    /// <summary>Backend that makes its runners; left out = the profile's, or the installation's default.</summary>
    public string? Provider { get; init; }
    [OneOf("on_demand", "persistent")]
    public string? LifecycleMode { get; init; }
    public int? IdleTimeoutSeconds { get; init; }
    [OneOf("release", "pause")]
    public string? SuspendStrategy { get; init; }
    [OneOf("open", "allow_list", "deny")]
    public string? NetworkPolicy { get; init; }
    public List<string?>? AllowedHosts { get; init; }
    [OneOf("default", "acceptEdits", "plan", "bypassPermissions")]
    public string? PermissionMode { get; init; }
    public int? PermissionTimeoutSeconds { get; init; }
    public bool? IncludeRaw { get; init; }
    public List<string?>? Command { get; init; }
    /// <summary>How much each occurrence's session may use before it pauses and asks.</summary>
    public BudgetModel? Budget { get; init; }
    /// <summary>Goes on by itself once the model's usage limit is over.</summary>
    public bool? AutoContinue { get; init; }
    /// <summary>How long each occurrence's session lives, 60 s to a year; left out = until somebody ends it.</summary>
    public int? TtlSeconds { get; init; }
    /// <summary>What becomes of a run whose runner is lost.</summary>
    [OneOf("at_once", "ask", "never")]
    public string? FailoverPolicy { get; init; }

    public CreateSessionModel ToSession() => new()
    {
        Agent = Agent, Name = Name, Model = Model, BaseUrl = BaseUrl, Labels = Labels, AgentConfigId = AgentConfigId, WorkspaceId = WorkspaceId,
        LifecycleMode = LifecycleMode, IdleTimeoutSeconds = IdleTimeoutSeconds, NetworkPolicy = NetworkPolicy, AllowedHosts = AllowedHosts,
        PermissionMode = PermissionMode, PermissionTimeoutSeconds = PermissionTimeoutSeconds, IncludeRaw = IncludeRaw, Command = Command,
        Budget = Budget, AutoContinue = AutoContinue, ProfileId = ProfileId, Provider = Provider, TtlSeconds = TtlSeconds, FailoverPolicy = FailoverPolicy,
        SuspendStrategy = SuspendStrategy,
    };

    public static SessionTemplateModel? Of(CreateSession? session) => session is null ? null : new()
    {
        Agent = session.Agent,
        Name = session.Name,
        Model = session.Model,
        BaseUrl = session.BaseUrl,
        Labels = (session.Labels ?? ImmutableDictionary<string, string>.Empty).ToDictionary(label => label.Key, label => (string?)label.Value),
        AgentConfigId = session.AgentConfigId,
        WorkspaceId = session.WorkspaceId,
        ProfileId = session.ProfileId,
        Provider = session.Provider,
        LifecycleMode = session.LifecycleMode,
        IdleTimeoutSeconds = session.IdleTimeoutSeconds,
        SuspendStrategy = session.SuspendStrategy,
        NetworkPolicy = Shown.OrNull(session.NetworkPolicy),
        AllowedHosts = session.AllowedHosts.IsDefaultOrEmpty ? null : [.. session.AllowedHosts],
        PermissionMode = session.PermissionMode,
        PermissionTimeoutSeconds = session.PermissionTimeoutSeconds,
        IncludeRaw = session.IncludeRaw ? true : null,
        Command = session.Command.IsDefaultOrEmpty ? null : [.. session.Command],
        Budget = BudgetModel.Of(session.Budget),
        AutoContinue = session.AutoContinue ? true : null,
        TtlSeconds = session.TtlSeconds,
        FailoverPolicy = session.FailoverPolicy,
    };
}

/// <summary>Body of POST /api/v1/scheduled-tasks, and, with everything optional, of PATCH.</summary>
internal class UpdateScheduledTaskModel
{
    public string? Name { get; init; }
    public string? Description { get; init; }
    public string? CronExpression { get; init; }
    public string? Timezone { get; init; }
    public string? PromptTemplate { get; init; }
    /// <summary>The session to run in; or `session`.</summary>
    public string? SessionId { get; init; }
    public SessionTemplateModel? Session { get; init; }
    [OneOf("terminate", "suspend", "keep")]
    public string? AfterRun { get; init; }
    public int? TimeoutSeconds { get; init; }
    public int? MaxRetries { get; init; }
    [OneOf("continue", "pause_on_failure", "disable_on_failure")]
    public string? OnFailure { get; init; }
    public int? MaxConsecutiveFailures { get; init; }
    [OneOf("skip", "queue", "cancel_running")]
    public string? OverlapPolicy { get; init; }
    [OneOf("last", "all", "none")]
    public string? CatchUp { get; init; }
    public int? CatchUpWindowSeconds { get; init; }
    public int? JitterSeconds { get; init; }
    /// <summary>RFC 3339; "" unsets it.</summary>
    public string? StartAt { get; init; }
    /// <summary>RFC 3339; "" unsets it.</summary>
    public string? EndAt { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public Dictionary<string, string?>? Annotations { get; init; }
}

/// <summary>Body of POST /api/v1/scheduled-tasks: a name, a cron expression, a prompt, and where to run.</summary>
internal sealed class CreateScheduledTaskModel : UpdateScheduledTaskModel;

/// <summary>A schedule as clients see it.</summary>
internal sealed class ScheduledTaskModel
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }
    [OneOf("active", "paused", "disabled", "ended")]
    public required string Status { get; init; }
    public string? Reason { get; init; }
    public required string CronExpression { get; init; }
    public required string Timezone { get; init; }
    public required string PromptTemplate { get; init; }
    public string? SessionId { get; init; }
    public SessionTemplateModel? Session { get; init; }
    public string? AfterRun { get; init; }
    public required int TimeoutSeconds { get; init; }
    public required int MaxRetries { get; init; }
    public required string OnFailure { get; init; }
    public required int MaxConsecutiveFailures { get; init; }
    public required string OverlapPolicy { get; init; }
    public required string CatchUp { get; init; }
    public required int CatchUpWindowSeconds { get; init; }
    public required int JitterSeconds { get; init; }
    public DateTime? StartAt { get; init; }
    public DateTime? EndAt { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public DateTime? NextRunAt { get; init; }
    public DateTime? LastRunAt { get; init; }
    public string? LastTaskId { get; init; }
    public string? LastStatus { get; init; }
    public required long RunCount { get; init; }
    public required long FailureCount { get; init; }
    public required int ConsecutiveFailures { get; init; }
    public required long SkippedCount { get; init; }
    public string? CreatedBy { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static ScheduledTaskModel Of(ScheduleView view) => new()
    {
        Id = view.Id, Name = view.Name, Description = view.Description, Status = EnumText<ScheduleStatus>.Of(view.Status),
        Reason = Shown.OrNull(view.Reason), CronExpression = view.CronExpression, Timezone = view.Timezone, PromptTemplate = view.PromptTemplate,
        SessionId = view.SessionId, Session = SessionTemplateModel.Of(view.Session), AfterRun = view.Session is null ? null : view.AfterRun,
        TimeoutSeconds = view.TimeoutSeconds, MaxRetries = view.MaxRetries, OnFailure = view.OnFailure,
        MaxConsecutiveFailures = view.MaxConsecutiveFailures, OverlapPolicy = view.OverlapPolicy, CatchUp = view.CatchUp,
        CatchUpWindowSeconds = view.CatchUpWindowSeconds, JitterSeconds = view.JitterSeconds, StartAt = view.StartAt?.UtcDateTime,
        EndAt = view.EndAt?.UtcDateTime, Labels = Shown.OrEmpty(view.Labels), Annotations = Shown.OrEmpty(view.Annotations),
        NextRunAt = view.NextRunAt?.UtcDateTime, LastRunAt = view.LastRunAt?.UtcDateTime, LastTaskId = view.LastTaskId,
        LastStatus = view.LastStatus is { } last ? EnumText<OccurrenceStatus>.Of(last) : null, RunCount = view.RunCount,
        FailureCount = view.FailureCount, ConsecutiveFailures = view.ConsecutiveFailures, SkippedCount = view.SkippedCount,
        CreatedBy = view.CreatedBy, CreatedAt = view.CreatedAt.UtcDateTime, UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}

/// <summary>One occurrence of a schedule, or a stretch of missed ones.</summary>
internal sealed class OccurrenceModel
{
    public required DateTime ScheduledAt { get; init; }
    [OneOf("schedule", "manual")]
    public required string Trigger { get; init; }
    [OneOf("waiting", "starting", "running", "completed", "failed", "canceled", "skipped", "missed")]
    public required string Status { get; init; }
    public string? Reason { get; init; }
    public long? RunNumber { get; init; }
    public string? TaskId { get; init; }
    public string? SessionId { get; init; }
    public DateTime? StartedAt { get; init; }
    public DateTime? EndedAt { get; init; }
    /// <summary>How many missed ones it stands for.</summary>
    public required int Count { get; init; }
    /// <summary>The last of them.</summary>
    public DateTime? Until { get; init; }

    public static OccurrenceModel Of(OccurrenceView view) => new()
    {
        ScheduledAt = view.ScheduledAt.UtcDateTime,
        Trigger = view.Manual ? "manual" : "schedule",
        Status = EnumText<OccurrenceStatus>.Of(view.Status),
        Reason = Shown.OrNull(view.Reason),
        RunNumber = view.Number > 0 ? view.Number : null,
        TaskId = view.Number > 0 ? view.TaskId : null, // one that waits has an id for a task that is not there yet
        SessionId = view.Number > 0 ? view.SessionId : null,
        StartedAt = view.StartedAt?.UtcDateTime,
        EndedAt = view.EndedAt?.UtcDateTime,
        Count = view.Count,
        Until = view.Count > 1 ? view.Until?.UtcDateTime : null,
    };
}
