using Marionette.Permissions;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A question of an agent as clients see it.</summary>
internal sealed class PermissionRequestModel
{
    public required string Id { get; init; }
    public required string OriginalRequestId { get; init; }
    public required string SessionId { get; init; }
    public required string TaskId { get; init; }
    public required string RunId { get; init; }
    public required string Tool { get; init; }
    public required string Action { get; init; }
    public string? Description { get; init; }
    public string? Context { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public required string RiskLevel { get; init; }
    [OneOf("pending", "approved", "denied", "expired", "canceled")]
    public required string Status { get; init; }
    public required long SuspendAfterSeconds { get; init; }
    public string? RespondedBy { get; init; }
    public string? ResponseReason { get; init; }
    public DateTime? RespondedAt { get; init; }
    public string? UpdatedInput { get; init; }
    public DateTime? DeliveredAt { get; init; }
    public required DateTime ExpiresAt { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static PermissionRequestModel Of(PermissionView view) => new()
    {
        Id = view.Id,
        OriginalRequestId = view.OriginalRequestId,
        SessionId = view.SessionId,
        TaskId = view.TaskId,
        RunId = view.RunId,
        Tool = view.Tool,
        Action = view.Action,
        Description = view.Description,
        Context = view.Context,
        RiskLevel = view.RiskLevel,
        Status = EnumText<PermissionStatus>.Of(view.Status),
        // The original's name for how long it waits; ours denies then, and suspends nothing.
        SuspendAfterSeconds = Math.Max(0, (long)Math.Round((view.ExpiresAt - view.CreatedAt).TotalSeconds)),
        RespondedBy = view.RespondedBy,
        ResponseReason = view.ResponseReason,
        RespondedAt = view.RespondedAt?.UtcDateTime,
        UpdatedInput = view.UpdatedInput,
        DeliveredAt = view.DeliveredAt?.UtcDateTime,
        ExpiresAt = view.ExpiresAt.UtcDateTime,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}
