using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>
/// Which rule decides: a pure function of the request and the rules. The order is the guide's: the tenant's list gives one verdict, the session's
/// own rules (of the task before those of the session) another; a denial by either stands, a tenant's two-person rule stands, and otherwise the more
/// specific verdict goes before the tenant's.
/// </summary>
internal static class PolicyEvaluator
{
    public static PolicyVerdict Evaluate(PermissionSubject subject, IEnumerable<PolicyRule> sessionRules, IEnumerable<PolicyRule> tenantRules)
    {
        var question = new PolicyQuestion(subject);
        var trace = ImmutableArray.CreateBuilder<RuleTrace>();
        var own = sessionRules.Where(rule => rule.Scope != "task" || rule.TaskId == subject.TaskId).OrderBy(rule => rule.Scope == "task" ? 0 : 1).ToList();
        var outcome = question.Decide(own, [.. tenantRules], trace);
        return new PolicyVerdict(
            outcome.Effect, outcome.Rule, outcome.Why, question.Risk.Level, [.. question.Risk.Reasons], trace.ToImmutable(), subject.PermissionId);
    }
}

/// <summary>What rules said: the effect, the rule that it comes from, and why.</summary>
internal readonly record struct Outcome(PolicyEffect Effect, PolicyRule? Rule, string Why)
{
    /// <summary>The stricter of two verdicts on parts of one request: what one part needs, the whole needs.</summary>
    public static Outcome Stricter(Outcome a, Outcome b) => b.Strictness > a.Strictness ? b : a;

    /// <summary>The more specific verdict, unless the tenant's may not be overruled.</summary>
    public static Outcome Combine(Outcome session, Outcome tenant) =>
        tenant.Effect == PolicyEffect.Deny || session.Rule is null ? tenant
        : session.Effect == PolicyEffect.Deny ? session
        : tenant is { Effect: PolicyEffect.Ask, Rule.Ask.RequiredApprovals: > 1 } ? tenant
        : session;

    private int Strictness => Effect switch
    {
        PolicyEffect.Allow => 0,
        PolicyEffect.Deny => 100,
        _ => 1 + (Rule is null ? 0 : 1) + (Rule?.Ask?.RequiredApprovals ?? 0),
    };
}
