using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Marionette.Permissions;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A rule as clients write it. Conditions that are left out match everything.</summary>
internal class RuleModel
{
    public string? Name { get; init; }
    [Required, OneOf("allow", "deny", "ask")]
    public string? Effect { get; init; }
    public string? Reason { get; init; }
    public List<string?>? Tools { get; init; }
    public List<string?>? Categories { get; init; }
    public List<string?>? Commands { get; init; }
    public List<string?>? Paths { get; init; }
    public List<string?>? Hosts { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public string? RiskAtLeast { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public string? RiskAtMost { get; init; }
    public List<string?>? Agents { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    /// <summary>With "ask": how people are asked.</summary>
    public TermsModel? Ask { get; init; }
}

/// <summary>Body of POST /api/v1/policies.</summary>
internal sealed class CreatePolicyModel : RuleModel
{
    /// <summary>From 0; left out = at the end.</summary>
    public int? Position { get; init; }
}

/// <summary>How people are asked.</summary>
internal class TermsModel
{
    public int? TimeoutSeconds { get; init; }
    public List<EscalationStepModel?>? Escalation { get; init; }
    public List<string?>? Approvers { get; init; }
    public int? RequiredApprovals { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public string? RequiredApprovalsRisk { get; init; }

    public static TermsModel? Of(PermissionTerms? terms) => terms is null ? null : new()
    {
        TimeoutSeconds = terms.TimeoutSeconds, Escalation = terms.Escalation.IsEmpty ? null : [.. terms.Escalation.Select(EscalationStepModel.Of)],
        Approvers = PolicyModel.Some(terms.Approvers), RequiredApprovals = terms.RequiredApprovals, RequiredApprovalsRisk = terms.RequiredApprovalsRisk,
    };
}

/// <summary>In POST /api/v1/sessions: how the session's requests are asked, and rules of its own.</summary>
internal sealed class PermissionPolicyModel : TermsModel
{
    public List<RuleModel?>? Rules { get; init; }
}

/// <summary>A step of an escalation.</summary>
internal sealed class EscalationStepModel
{
    [Required]
    public int? AfterSeconds { get; init; }
    public List<string?>? Notify { get; init; }
    public bool? Remind { get; init; }

    public static EscalationStepModel Of(EscalationStep step) =>
        new() { AfterSeconds = step.AfterSeconds, Notify = PolicyModel.Some(step.Notify), Remind = step.Remind ? true : null };
}

/// <summary>A rule as clients see it.</summary>
internal sealed class PolicyModel : RuleModel
{
    public required string Id { get; init; }
    /// <summary>From 0 in the tenant's list; absent for rules of a session.</summary>
    public int? Position { get; init; }
    [OneOf("tenant", "session", "task")]
    public required string Scope { get; init; }
    public string? TaskId { get; init; }
    /// <summary>The request whose answer made it.</summary>
    public string? PermissionId { get; init; }
    public string? CreatedBy { get; init; }
    public required DateTime CreatedAt { get; init; }

    public static PolicyModel Of(PolicyRule rule, int? position = null) => new()
    {
        Id = rule.Id, Position = position, Name = rule.Name, Effect = EnumText<PolicyEffect>.Of(rule.Effect), Reason = rule.Reason, Tools = Some(rule.Tools),
        Categories = Some(rule.Categories), Commands = Some(rule.Commands), Paths = Some(rule.Paths), Hosts = Some(rule.Hosts),
        RiskAtLeast = rule.RiskAtLeast, RiskAtMost = rule.RiskAtMost, Agents = Some(rule.Agents),
        Labels = rule.Labels.IsEmpty ? null : rule.Labels.ToDictionary(l => l.Key, l => (string?)l.Value), Ask = TermsModel.Of(rule.Ask),
        Scope = string.IsNullOrEmpty(rule.Scope) ? "tenant" : rule.Scope, TaskId = rule.TaskId, PermissionId = rule.PermissionId, CreatedBy = rule.CreatedBy,
        CreatedAt = rule.CreatedAt.UtcDateTime,
    };

    public static List<string?>? Some(ImmutableArray<string> items) => items.IsDefaultOrEmpty ? null : [.. items];
}

/// <summary>The tenant's rules in the order in which they are tried.</summary>
/// <param name="Version">Pass it as <c>If-Match</c> to change what you have seen, and nothing else.</param>
internal sealed record PolicyListModel(IReadOnlyList<PolicyModel> Items, long Version, bool HasMore, long TotalCount);

/// <summary>Body of POST /api/v1/policies/{id}/move.</summary>
internal sealed class MovePolicyModel
{
    [Required]
    public int? Position { get; init; }
}

/// <summary>Body of POST /api/v1/policies/test: one request, or past ones.</summary>
internal sealed class TestPolicyModel
{
    public TestRequestModel? Request { get; init; }
    /// <summary>"past": the tenant's newest requests.</summary>
    [OneOf("past")]
    public string? Against { get; init; }
    /// <summary>With "past": how many, 1 to 200; 50 when left out.</summary>
    public int? Limit { get; init; }
    /// <summary>Rules to try instead of the stored ones.</summary>
    public List<RuleModel?>? Rules { get; init; }
}

/// <summary>A request that nobody made.</summary>
internal sealed class TestRequestModel
{
    [Required]
    public string? Tool { get; init; }
    public string? Category { get; init; }
    public string? Command { get; init; }
    public List<string?>? Paths { get; init; }
    public List<string?>? Hosts { get; init; }
    public string? Agent { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
}

/// <summary>What would become of requests.</summary>
internal sealed record TestResultModel(IReadOnlyList<VerdictModel> Items);

/// <summary>What the rules say of one request.</summary>
internal sealed class VerdictModel
{
    [OneOf("allow", "deny", "ask")]
    public required string Effect { get; init; }
    public PolicyModel? Rule { get; init; }
    public required string Why { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public required string RiskLevel { get; init; }
    public required IReadOnlyList<string> RiskReasons { get; init; }
    /// <summary>One request: each rule that was looked at.</summary>
    public IReadOnlyList<TraceModel>? Trace { get; init; }
    /// <summary>Past requests: which one, and what became of it then.</summary>
    public string? PermissionId { get; init; }
    public string? Tool { get; init; }
    public string? Command { get; init; }
    public string? Status { get; init; }

    public static VerdictModel Of(PolicyVerdict verdict, PermissionView? past) => new()
    {
        Effect = EnumText<PolicyEffect>.Of(verdict.Effect), Rule = verdict.Rule is null ? null : PolicyModel.Of(verdict.Rule), Why = verdict.Why,
        RiskLevel = verdict.RiskLevel, RiskReasons = verdict.RiskReasons, PermissionId = past?.Id, Tool = past?.Tool, Command = past?.Command,
        Status = past is null ? null : EnumText<PermissionStatus>.Of(past.Status),
        Trace = past is null ? [.. verdict.Trace.Select(t => new TraceModel(t.RuleId, t.Part, t.Matched, t.Why))] : null,
    };
}

/// <summary>What one rule said of one simple command, or of the request as a whole.</summary>
internal sealed record TraceModel(string RuleId, string? Part, bool Matched, string Why);
