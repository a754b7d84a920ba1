using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Body of POST /api/v1/sessions.</summary>
internal sealed class CreateSessionModel
{
    [Required, OneOf("claude", "codex", "acp", "command", "replay")]
    public string? Agent { get; init; }
    public string? Name { get; init; }
    public string? ApiKey { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    public Dictionary<string, string?>? Env { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public string? AgentConfigId { get; init; }
    public string? WorkspaceId { get; init; }
    /// <summary>What its workspace begins with: a fork of a session, or a snapshot. What is left out beside it is as in that session, but for keys and variables.</summary>
    public SessionFromModel? From { get; init; }
    public string? ProfileId { get; init; }
    /// <summary>Backend that makes its runners; left out = the profile's, or the installation's default.</summary>
    public string? Provider { get; init; }
    [OneOf("on_demand", "persistent")]
    public string? LifecycleMode { get; init; }
    public int? IdleTimeoutSeconds { get; init; }
    /// <summary>What becomes of its runner when it is suspended and nobody says: "pause" keeps its memory, where the provider can, for a while.</summary>
    [OneOf("release", "pause")]
    public string? SuspendStrategy { get; init; }
    [OneOf("open", "allow_list", "deny")]
    public string? NetworkPolicy { get; init; }
    public List<string?>? AllowedHosts { get; init; }
    [OneOf("default", "acceptEdits", "plan", "bypassPermissions")]
    public string? PermissionMode { get; init; }
    public int? PermissionTimeoutSeconds { get; init; }
    /// <summary>How its permission requests are asked, and rules of its own.</summary>
    public PermissionPolicyModel? PermissionPolicy { get; init; }
    public bool? IncludeRaw { get; init; }
    public List<string?>? Command { get; init; }
    /// <summary>What the agent kind takes beside the rest; docs/reference/agents.md lists it.</summary>
    public JsonElement? Options { get; init; }
    public BudgetModel? Budget { get; init; }
    /// <summary>Tasks that wait for quota go on by themselves.</summary>
    public bool? AutoContinue { get; init; }
    /// <summary>How long it lives, 60 s to a year; left out = until somebody ends it. There are warnings, and it can be extended.</summary>
    public int? TtlSeconds { get; init; }
    /// <summary>What becomes of a run whose runner is lost: it goes on from the last checkpoint at once (the default), it waits and the inbox asks, or its task fails.</summary>
    [OneOf("at_once", "ask", "never")]
    public string? FailoverPolicy { get; init; }
}

/// <summary>Body of PATCH /api/v1/sessions/{id}. What is left out stays as it is.</summary>
internal sealed class ChangeSessionModel
{
    public string? Name { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    /// <summary>Empty = the agent's default.</summary>
    public string? Model { get; init; }
    [OneOf("default", "acceptEdits", "plan", "bypassPermissions")]
    public string? PermissionMode { get; init; }
    /// <summary>An empty object takes the limits away.</summary>
    public BudgetModel? Budget { get; init; }
    public bool? AutoContinue { get; init; }
    /// <summary>What becomes of a run whose runner is lost, from now on.</summary>
    [OneOf("at_once", "ask", "never")]
    public string? FailoverPolicy { get; init; }
    /// <summary>What becomes of its runner when it is suspended, from the next time on.</summary>
    [OneOf("release", "pause")]
    public string? SuspendStrategy { get; init; }
    /// <summary>Where it goes on: its runner stores a last checkpoint and goes, and the next one is made there.</summary>
    public string? Provider { get; init; }
    /// <summary>In force at once where the provider controls it.</summary>
    [OneOf("open", "allow_list", "deny")]
    public string? NetworkPolicy { get; init; }
    /// <summary>The whole list.</summary>
    public List<string?>? AllowedHosts { get; init; }
}

/// <summary>Body of POST /api/v1/sessions/{id}/extend. Exactly one of the three is given.</summary>
internal sealed class ExtendSessionModel
{
    /// <summary>Added to its end, or to now where it has none; 60 to 31536000.</summary>
    public int? Seconds { get; init; }
    /// <summary>Its end, in the future and within a year.</summary>
    public string? ExpiresAt { get; init; }
    /// <summary>It lives until somebody ends it.</summary>
    public bool? Never { get; init; }
}

/// <summary>Body of POST /api/v1/sessions/{id}/network/allow.</summary>
internal sealed class AllowHostModel
{
    /// <summary>A target as in allowed_hosts, as a "network.blocked" event names it: "api.example.com:443".</summary>
    [Required]
    public string? Host { get; init; }
}

/// <summary>How much may be used before the work pauses and asks.</summary>
internal sealed class BudgetModel
{
    public decimal? MaxCostUsd { get; init; }
    public long? MaxTokens { get; init; }
    public double? MaxMinutes { get; init; }
    /// <summary>Share of a limit at which a warning is written; 1 to 100, default 80.</summary>
    public int? WarnPercent { get; init; }

    public static BudgetModel? Of(Budget? budget) => budget is null ? null : new()
    {
        MaxCostUsd = budget.MaxCostUsd, MaxTokens = budget.MaxTokens, MaxMinutes = budget.MaxMinutes, WarnPercent = budget.WarnPercent,
    };
}

/// <summary>Body of PUT /api/v1/budget.</summary>
internal sealed class TenantBudgetModel
{
    public decimal? MaxCostUsd { get; init; }
    public long? MaxTokens { get; init; }
    public double? MaxMinutes { get; init; }
    public int? WarnPercent { get; init; }
    [OneOf("day", "month", "total")]
    public string? Period { get; init; }
}

/// <summary>A file that goes with a prompt or a message.</summary>
internal sealed class FileModel
{
    [Required]
    public string? Name { get; init; }
    public string? MediaType { get; init; }
    /// <summary>base64.</summary>
    [Required]
    public string? Content { get; init; }
}

/// <summary>Body of POST /api/v1/tasks/{id}/messages.</summary>
internal sealed class SendMessageModel
{
    [Required]
    public string? Text { get; init; }
    public List<FileModel?>? Files { get; init; }
}

/// <summary>Body of POST /api/v1/tasks/{id}/move.</summary>
internal sealed class MoveTaskModel
{
    /// <summary>A task of the same queue; left out = the end.</summary>
    public string? Before { get; init; }
}

/// <summary>Body of POST /api/v1/tasks/{id}/continue.</summary>
internal sealed class ContinueTaskModel
{
    /// <summary>The task's own budget from now on.</summary>
    public BudgetModel? Budget { get; init; }
}

/// <summary>Body of POST /api/v1/tasks.</summary>
internal sealed class CreateTaskModel
{
    [Required]
    public string? SessionId { get; init; }
    [Required]
    public string? Prompt { get; init; }
    public int? TimeoutSeconds { get; init; }
    public int? MaxRetries { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public string? ContinueFrom { get; init; }
    [OneOf("continue", "new")]
    public string? Conversation { get; init; }
    public List<FileModel?>? Files { get; init; }
    /// <summary>A JSON Schema that the result has to meet.</summary>
    public JsonElement? OutputSchema { get; init; }
    public BudgetModel? Budget { get; init; }
}

/// <summary>Body of POST /api/v1/permissions/{id}/approve.</summary>
internal sealed class ApprovePermissionModel
{
    public string? Reason { get; init; }
    /// <summary>Replaces the tool's input; an object.</summary>
    public JsonElement? UpdatedInput { get; init; }
    /// <summary>"Always allow this": makes a narrow rule of it for the task, the session or the tenant.</summary>
    [OneOf("task", "session", "tenant")]
    public string? Remember { get; init; }
}

/// <summary>Body of POST /api/v1/permissions/{id}/deny.</summary>
internal sealed class DenyPermissionModel
{
    public string? Reason { get; init; }
    /// <summary>End the turn as well.</summary>
    public bool? Interrupt { get; init; }
}

/// <summary>Body of POST /api/v1/sessions/{id}/suspend: all of it may be left out.</summary>
internal sealed class SuspendSessionModel
{
    public string? Reason { get; init; }
    /// <summary>What becomes of the runner; left out = as the session's suspend_strategy says. A paused session that is asked with "release" gives its runner back.</summary>
    [OneOf("release", "pause")]
    public string? Strategy { get; init; }
}

/// <summary>Body of resume, cancel and retry: a reason for people, or nothing at all.</summary>
internal sealed class ReasonModel
{
    public string? Reason { get; init; }
}

/// <summary>Body of POST /api/v1/keys.</summary>
internal sealed class CreateKeyModel
{
    [Required]
    public string? Name { get; init; }
    public List<string?>? Scopes { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public DateTimeOffset? ExpiresAt { get; init; }
    public string? Tenant { get; init; }
}
