using Marionette.Permissions;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A question of an agent, or of a session about a budget, as clients see it.</summary>
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
    public long? SuspendAfterSeconds { get; init; }
    public string? RespondedBy { get; init; }
    public string? ResponseReason { get; init; }
    public DateTime? RespondedAt { get; init; }
    public string? UpdatedInput { get; init; }
    public DateTime? DeliveredAt { get; init; }
    /// <summary>Denied by itself at this time; absent = it waits for as long as it takes.</summary>
    public DateTime? ExpiresAt { get; init; }
    /// <summary>Whose budget is used up: task, session, tenant. Approved, its task goes on; denied, it is canceled. Absent = an agent asks.</summary>
    public string? Budget { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }
    public string? Category { get; init; }
    public string? Title { get; init; }
    public string? Command { get; init; }
    public IReadOnlyList<string?>? Paths { get; init; }
    public IReadOnlyList<string?>? Hosts { get; init; }
    /// <summary>For an edit: the change as a unified diff.</summary>
    public string? Diff { get; init; }
    /// <summary>Why the agent asks rather than acts.</summary>
    public string? Why { get; init; }
    /// <summary>Whether an approval may carry another input.</summary>
    public required bool TakesInput { get; init; }
    public IReadOnlyList<string?>? RiskReasons { get; init; }
    /// <summary>The rule that decided it, or that it is asked under.</summary>
    public string? RuleId { get; init; }
    public string? RuleReason { get; init; }
    /// <summary>Who may answer; absent = whoever has the scope.</summary>
    public IReadOnlyList<string?>? Approvers { get; init; }
    public required int RequiredApprovals { get; init; }
    public IReadOnlyList<ApprovalModel>? Approvals { get; init; }
    public IReadOnlyList<EscalationStepModel>? Escalation { get; init; }
    /// <summary>Steps of the escalation that were taken.</summary>
    public required int EscalationStep { get; init; }
    /// <summary>The rule that its answer made.</summary>
    public PolicyModel? Remembered { get; init; }
    public required IReadOnlyList<HistoryModel> History { get; init; }

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
        SuspendAfterSeconds = view.ExpiresAt == PermissionView.Never ? null : Math.Max(0, (long)Math.Round((view.ExpiresAt - view.CreatedAt).TotalSeconds)),
        RespondedBy = view.RespondedBy,
        ResponseReason = view.ResponseReason,
        RespondedAt = view.RespondedAt?.UtcDateTime,
        UpdatedInput = view.UpdatedInput,
        DeliveredAt = view.DeliveredAt?.UtcDateTime,
        ExpiresAt = view.ExpiresAt == PermissionView.Never ? null : view.ExpiresAt.UtcDateTime,
        Budget = view.Budget,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
        Category = view.Category,
        Title = view.Title,
        Command = view.Command,
        Paths = PolicyModel.Some(view.Paths),
        Hosts = PolicyModel.Some(view.Hosts),
        Diff = view.Diff,
        Why = view.Why,
        TakesInput = view.TakesInput ?? true,
        RiskReasons = PolicyModel.Some(view.RiskReasons),
        RuleId = view.RuleId,
        RuleReason = view.RuleReason,
        Approvers = PolicyModel.Some(view.Approvers),
        RequiredApprovals = view.RequiredApprovals,
        Approvals = view.Approvals.IsEmpty ? null : [.. view.Approvals.Select(a => new ApprovalModel(a.By, a.Reason, a.At.UtcDateTime))],
        Escalation = view.Escalation.IsEmpty ? null : [.. view.Escalation.Select(EscalationStepModel.Of)],
        EscalationStep = view.EscalationStep,
        Remembered = view.Remembered is null ? null : PolicyModel.Of(view.Remembered),
        History = [.. view.History.Select(note => new HistoryModel(note.At.UtcDateTime, note.What, note.By, note.Detail))],
    };
}

/// <summary>One person's yes, where more than one is needed.</summary>
internal sealed record ApprovalModel(string By, string? Reason, DateTime At);

/// <summary>One line of a request's history.</summary>
internal sealed record HistoryModel(DateTime At, string What, string? By, string? Detail);
