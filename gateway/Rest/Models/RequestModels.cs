using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Body of POST /api/v1/sessions.</summary>
internal sealed class CreateSessionModel
{
    [Required, OneOf("claude", "codex", "acp", "command")]
    public string? Agent { get; init; }
    public string? Name { get; init; }
    public string? ApiKey { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    public Dictionary<string, string?>? Env { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public string? AgentConfigId { get; init; }
    public string? WorkspaceId { get; init; }
    public string? ProfileId { get; init; }
    [OneOf("on_demand", "persistent")]
    public string? LifecycleMode { get; init; }
    public int? IdleTimeoutSeconds { get; init; }
    [OneOf("open", "allow_list", "deny")]
    public string? NetworkPolicy { get; init; }
    public List<string?>? AllowedHosts { get; init; }
    [OneOf("default", "acceptEdits", "plan", "bypassPermissions")]
    public string? PermissionMode { get; init; }
    public int? PermissionTimeoutSeconds { get; init; }
    public bool? IncludeRaw { get; init; }
    public List<string?>? Command { get; init; }
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
}

/// <summary>Body of POST /api/v1/permissions/{id}/approve.</summary>
internal sealed class ApprovePermissionModel
{
    public string? Reason { get; init; }
    /// <summary>Replaces the tool's input; an object.</summary>
    public JsonElement? UpdatedInput { get; init; }
}

/// <summary>Body of POST /api/v1/permissions/{id}/deny.</summary>
internal sealed class DenyPermissionModel
{
    public string? Reason { get; init; }
    /// <summary>End the turn as well.</summary>
    public bool? Interrupt { get; init; }
}

/// <summary>Body of suspend, resume, cancel and retry: a reason for people, or nothing at all.</summary>
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
