using System.Collections.Immutable;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;

namespace Marionette.Gateway.Rest;

/// <summary>What a rule may say. Every wrong field is named.</summary>
internal static class PolicyRules
{
    public const int MaxPatterns = 100, MaxPattern = 1000, SevenDays = 7 * 24 * 3600;

    private static readonly string[] Risks = ["low", "medium", "high", "critical"];

    private static readonly string[] Categories = ["command", "read", "edit", "delete", "network", "mcp", "plan", "question", "other"];

    /// <summary>The rule without what the server adds; errors go to the collector.</summary>
    public static PolicyRule Check(FieldErrors errors, RuleModel body, string at = "")
    {
        var effect = EnumText<PolicyEffect>.Parse(body.Effect);
        if (effect == PolicyEffect.Unknown) errors.Add(at + "effect", "must be one of allow, deny, ask");
        if (body.Ask is not null && effect != PolicyEffect.Ask) errors.Add(at + "ask", "goes with effect \"ask\" only");
        var rule = new PolicyRule
        {
            Name = errors.Text(at + "name", body.Name, 200), Effect = effect, Reason = errors.Text(at + "reason", body.Reason, ReasonRules.MaxLength, multiline: true),
            Tools = Patterns(errors, at + "tools", body.Tools), Categories = Among(errors, at + "categories", body.Categories, Categories),
            Commands = Patterns(errors, at + "commands", body.Commands), Paths = Patterns(errors, at + "paths", body.Paths), Hosts = Hosts(errors, at + "hosts", body.Hosts),
            RiskAtLeast = Risk(errors, at + "risk_at_least", body.RiskAtLeast), RiskAtMost = Risk(errors, at + "risk_at_most", body.RiskAtMost),
            Agents = Patterns(errors, at + "agents", body.Agents), Labels = errors.Labels(at + "labels", body.Labels),
            Ask = body.Ask is null ? null : Terms(errors, body.Ask, at + "ask."),
        };
        if (rule.RiskAtLeast is { } least && rule.RiskAtMost is { } most && Array.IndexOf(Risks, least) > Array.IndexOf(Risks, most))
            errors.Add(at + "risk_at_most", "must not be below risk_at_least");
        return rule;
    }

    public static ImmutableArray<PolicyRule> CheckAll(FieldErrors errors, List<RuleModel?>? rules, string field, int max)
    {
        if (rules is null) return default;
        if (rules.Count > max) errors.Add(field, $"must have at most {max} entries");
        var result = ImmutableArray.CreateBuilder<PolicyRule>();
        for (var i = 0; i < Math.Min(rules.Count, max); i++)
        {
            if (rules[i] is { } rule) result.Add(Check(errors, rule, $"{field}[{i}]."));
            else errors.Add($"{field}[{i}]", "must be a rule");
        }

        return result.ToImmutable();
    }

    public static PermissionTerms Terms(FieldErrors errors, TermsModel body, string at)
    {
        var steps = ImmutableArray.CreateBuilder<EscalationStep>();
        if (body.Escalation?.Count > 20) errors.Add(at + "escalation", "must have at most 20 steps");
        for (var i = 0; i < Math.Min(body.Escalation?.Count ?? 0, 20); i++)
        {
            var (step, field) = (body.Escalation![i], $"{at}escalation[{i}]");
            if (step?.AfterSeconds is null) errors.Add(field + ".after_seconds", "is required");
            else if (steps.Count > 0 && step.AfterSeconds <= steps[^1].AfterSeconds) errors.Add(field + ".after_seconds", "must be later than the step before");
            else if (step.Remind != true && step.Notify is not { Count: > 0 }) errors.Add(field, "must notify somebody or remind");
            else steps.Add(new EscalationStep
            {
                AfterSeconds = errors.Number(field + ".after_seconds", step.AfterSeconds, 1, SevenDays, 1), Notify = Patterns(errors, field + ".notify", step.Notify),
                Remind = step.Remind ?? false,
            });
        }

        int? timeout = body.TimeoutSeconds is { } seconds ? errors.Number(at + "timeout_seconds", seconds, 1, SevenDays, seconds) : null;
        if (timeout is { } limit && steps.Any(step => step.AfterSeconds >= limit)) errors.Add(at + "escalation", "must end before timeout_seconds");
        return new PermissionTerms
        {
            TimeoutSeconds = timeout, Escalation = steps.ToImmutable(), Approvers = Patterns(errors, at + "approvers", body.Approvers),
            RequiredApprovals = body.RequiredApprovals is { } count ? errors.Number(at + "required_approvals", count, 1, 2, count) : null,
            RequiredApprovalsRisk = Risk(errors, at + "required_approvals_risk", body.RequiredApprovalsRisk),
        };
    }

    public static string? Risk(FieldErrors errors, string field, string? level)
    {
        if (level is not null && !Risks.Contains(level)) errors.Add(field, $"must be one of {string.Join(", ", Risks)}");
        return level;
    }

    public static ImmutableArray<string> CheckCategories(FieldErrors errors, string field, List<string?>? items) => Among(errors, field, items, Categories);

    public static ImmutableArray<string> Patterns(FieldErrors errors, string field, List<string?>? items)
    {
        if (items is null) return [];
        // An empty list would read as "nothing" and mean "everything".
        if (items.Count is 0 or > MaxPatterns) errors.Add(field, $"must have 1 to {MaxPatterns} entries; leave it out to match everything");
        for (var i = 0; i < Math.Min(items.Count, MaxPatterns); i++)
        {
            if (string.IsNullOrWhiteSpace(items[i]) || items[i]!.Length > MaxPattern) errors.Add($"{field}[{i}]", $"must have 1 to {MaxPattern} characters");
            else if (items[i]!.Any(char.IsControl)) errors.Add($"{field}[{i}]", "must not hold control characters");
        }

        return [.. items.OfType<string>()];
    }

    private static ImmutableArray<string> Among(FieldErrors errors, string field, List<string?>? items, string[] choices)
    {
        var values = Patterns(errors, field, items);
        if (values.Except(choices).Any()) errors.Add(field, $"must be among {string.Join(", ", choices)}");
        return values;
    }

    private static ImmutableArray<string> Hosts(FieldErrors errors, string field, List<string?>? items)
    {
        var hosts = Patterns(errors, field, items);
        for (var i = 0; i < hosts.Length; i++)
            if (hosts[i].Contains('/') || hosts[i].Contains(' ') || !hosts[i].All(char.IsAscii)) errors.Add($"{field}[{i}]", "must be a host name in ASCII, perhaps with *");
        return hosts;
    }
}
