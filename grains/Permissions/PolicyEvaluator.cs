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
        var own = sessionRules.Where(rule => rule.Scope != "task" || rule.TaskId == subject.TaskId).OrderBy(rule => rule.Scope == "task" ? 0 : 1);
        var tenant = question.Ask(tenantRules, trace);
        var session = question.Ask(own, trace);
        var (effect, rule, why) =
            tenant.Effect == PolicyEffect.Deny || session.Rule is null ? tenant
            : session.Effect == PolicyEffect.Deny ? session
            : tenant.Rule is { Effect: not PolicyEffect.Allow, Ask.RequiredApprovals: > 1 } ? tenant
            : session;
        return new PolicyVerdict(
            effect, rule, why, question.Risk.Level, [.. question.Risk.Reasons], trace.ToImmutable(), subject.PermissionId);
    }
}

/// <summary>What rules said: the effect, the rule that it comes from, and why.</summary>
internal readonly record struct Outcome(PolicyEffect Effect, PolicyRule? Rule, string Why);
