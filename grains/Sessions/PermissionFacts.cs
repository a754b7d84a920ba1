using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Permissions;

namespace Marionette.Sessions;

// Facts about permission requests; stored formats, see Facts.cs.

internal sealed record PermissionRequested(
    string PermissionId, string RequestId, string Tool, JsonElement Input, string Action, string? Description, string RiskLevel,
    string? Context, DateTimeOffset? ExpiresAt) : Fact
{
    /// <summary>Whose budget it is about, when the session itself asks: "task", "session", "tenant".</summary>
    public string? Budget { get; init; }

    public string? Category { get; init; }

    public string? Title { get; init; }

    public string? Command { get; init; }

    public ImmutableArray<string>? Paths { get; init; }

    public ImmutableArray<string>? Hosts { get; init; }

    public string? Diff { get; init; }

    /// <summary>Why the agent asks rather than acts.</summary>
    public string? Why { get; init; }

    /// <summary>Null in events of older versions, whose agents take another input.</summary>
    public bool? TakesInput { get; init; }

    public ImmutableArray<string>? RiskReasons { get; init; }

    /// <summary>The rule that it is asked under.</summary>
    public string? RuleId { get; init; }

    public string? RuleReason { get; init; }

    public ImmutableArray<string>? Approvers { get; init; }

    public int? RequiredApprovals { get; init; }

    public ImmutableArray<EscalationStep>? Escalation { get; init; }

    public ImmutableArray<string>? Hooks { get; init; }
}

/// <summary>The type of the event follows <paramref name="Allow"/>.</summary>
/// <param name="RuleId">The rule that decided; null = somebody did.</param>
/// <param name="Remembered">"Always allow this": the rule that the answer makes, with its scope.</param>
internal sealed record PermissionDecided(
    [property: JsonIgnore] bool Allow, string PermissionId, string By, string? Reason, JsonElement? UpdatedInput, bool Interrupt, string CommandId,
    string? RuleId = null, PolicyRule? Remembered = null) : Fact;

/// <summary>One yes of several that are needed.</summary>
internal sealed record PermissionApprovalAdded(
    string PermissionId, string By, string Actor, string? ActorName, string? Reason, string CommandId, int Have, int Need) : Fact;

/// <summary>A step of the escalation is due.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Approvers">Who may answer from now on, where not everybody may.</param>
internal sealed record PermissionEscalated(
    string PermissionId, int Step, ImmutableArray<string> Notify, bool Remind, ImmutableArray<string>? Approvers) : Fact;

internal sealed record PermissionDelegated(
    string PermissionId, string By, string To, string? Reason, ImmutableArray<string> Approvers, string CommandId) : Fact;

internal sealed record PermissionExpired(string PermissionId, string Reason) : Fact;

internal sealed record PermissionCanceled(string PermissionId, string Reason) : Fact;

internal sealed record PermissionDelivered(string PermissionId) : Fact;
