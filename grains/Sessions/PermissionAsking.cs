using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Permissions;

namespace Marionette.Sessions;

/// <summary>From what an agent says it wants to do to the request that people and rules see.</summary>
internal static class PermissionAsking
{
    private const int MaxCommand = ShellParser.MaxLength, MaxDiff = 64 * 1024, MaxItems = 100, MaxText = 4096;

    private const string BudgetCategory = "budget", FailoverCategory = PermissionView.FailoverCategory;

    private static readonly JsonElement EmptyObject = JsonDocument.Parse("{}").RootElement.Clone();

    /// <summary>What the rules say. Rules that cannot be read or cannot be understood allow nothing: then people are asked.</summary>
    /// <param name="policy">The tenant's rules; null = they could not be read.</param>
    public static PolicyVerdict Judge(SessionView session, string taskId, PermissionReport report, TenantPolicy? policy)
    {
        var subject = SubjectOf(session, taskId, report);
        PolicyVerdict verdict;
        try
        {
            verdict = PolicyEvaluator.Evaluate(subject, session.PermissionRules, policy?.Rules ?? []);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return new(PolicyEffect.Ask, null, $"The rules could not be applied ({e.GetType().Name}).", Risk.Critical, ["the rules could not be applied"], [], null);
        }

        return policy is null && verdict.Effect == PolicyEffect.Allow
            ? verdict with { Effect = PolicyEffect.Ask, Rule = null, Why = "The tenant's rules could not be read." }
            : verdict;
    }

    /// <summary>The request as an event. It is asked on the terms of its rule, then on the session's.</summary>
    public static PermissionRequested Request(Scribe scribe, PermissionReport report, PolicyVerdict verdict)
    {
        var session = scribe.State.View;
        var input = report.Input is { ValueKind: not JsonValueKind.Undefined } given ? given : EmptyObject;
        var (rule, own) = (verdict.Rule?.Ask, session.PermissionPolicy);
        var timeout = rule?.TimeoutSeconds ?? own?.TimeoutSeconds ?? scribe.State.PermissionTimeoutSeconds;
        return new PermissionRequested(
            scribe.NewId(EntityId.Permission), report.RequestId!, report.Tool!, input, input.GetRawText(), Cut(report.Description, MaxText),
            verdict.RiskLevel, TextOf(report.Context), scribe.Now + TimeSpan.FromSeconds(timeout))
        {
            Category = CategoryOf(report), Title = Cut(report.Title, 200), Command = Cut(report.Command, MaxCommand), Paths = Some(report.Paths),
            Hosts = Some(report.Hosts), Diff = Cut(report.Diff, MaxDiff), Why = Cut(report.Reason, MaxText), TakesInput = report.TakesInput ?? false,
            RiskReasons = verdict.RiskReasons.IsEmpty ? null : verdict.RiskReasons, RuleId = verdict.Rule?.Id, RuleReason = verdict.Why,
            Approvers = First(rule?.Approvers, own?.Approvers), RequiredApprovals = Approvals(rule, own, verdict.RiskLevel),
            Escalation = First(rule?.Escalation, own?.Escalation), Hooks = HooksFor(scribe.Context.Policy, session, report, verdict),
        };
    }

    /// <summary>
    /// A budget's question, by the session itself. No rule answers it (money is no tool), and silence is no answer: the task waits anyway, so it
    /// has no deadline. The session's terms say who may answer and whom to remind.
    /// </summary>
    /// <param name="scope">"task", "session", "tenant".</param>
    public static PermissionRequested AboutBudget(Scribe scribe, string scope, JsonElement input, string title, string description)
    {
        var own = scribe.State.View.PermissionPolicy;
        return new PermissionRequested(
            scribe.NewId(EntityId.Permission), BudgetCategory, BudgetCategory, input, input.GetRawText(), description, Risk.Medium, null, ExpiresAt: null)
        {
            Budget = scope, Category = BudgetCategory, Title = title, TakesInput = false, Approvers = First(own?.Approvers, null),
            RequiredApprovals = Approvals(null, own, Risk.Medium), Escalation = First(own?.Escalation, null),
        };
    }

    /// <summary>A cut-off run's question, by the session itself, on the same terms as a budget's.</summary>
    public static PermissionRequested AboutFailover(Scribe scribe, JsonElement input, string title, string description)
    {
        var own = scribe.State.View.PermissionPolicy;
        return new PermissionRequested(
            scribe.NewId(EntityId.Permission), FailoverCategory, FailoverCategory, input, input.GetRawText(), description, Risk.Medium, null, ExpiresAt: null)
        {
            Category = FailoverCategory, Title = title, TakesInput = false, Approvers = First(own?.Approvers, null),
            RequiredApprovals = Approvals(null, own, Risk.Medium), Escalation = First(own?.Escalation, null),
        };
    }

    public static PermissionSubject SubjectOf(SessionView session, PermissionView view) => new()
    {
        Tool = view.Tool, Category = view.Category ?? "other", Command = view.Command, Paths = view.Paths, Hosts = view.Hosts, Agent = session.Agent,
        Labels = session.Labels, WorkspaceId = session.WorkspaceId, TaskId = view.TaskId,
    };

    private static PermissionSubject SubjectOf(SessionView session, string taskId, PermissionReport report) => new()
    {
        Tool = report.Tool!, Category = CategoryOf(report), Command = report.Command, Paths = [.. report.Paths?.OfType<string>() ?? []],
        Hosts = [.. report.Hosts?.OfType<string>() ?? []], Agent = session.Agent, Labels = session.Labels, WorkspaceId = session.WorkspaceId, TaskId = taskId,
    };

    /// <summary>Budgets and failovers are the session's own to ask about: an agent that says so is asking about something else.</summary>
    private static string CategoryOf(PermissionReport report) => report.Category is null or BudgetCategory or FailoverCategory ? "other" : report.Category;

    private static ImmutableArray<string>? HooksFor(TenantPolicy? policy, SessionView session, PermissionReport report, PolicyVerdict verdict)
    {
        if (policy is null || verdict.Effect is PolicyEffect.Allow or PolicyEffect.Deny) return null;
        ImmutableArray<string> hooks =
        [
            .. policy.Hooks.Where(hook => !hook.Paused && (hook.RiskAtLeast is not { } least || Risk.IsAtLeast(verdict.RiskLevel, least))
                && (hook.Categories.IsEmpty || hook.Categories.Contains(CategoryOf(report)))
                && hook.Labels.All(label => session.Labels.GetValueOrDefault(label.Key) == label.Value)).Select(hook => hook.Id),
        ];
        return hooks.IsEmpty ? null : hooks;
    }

    private static int? Approvals(PermissionTerms? rule, PermissionTerms? session, string risk)
    {
        var needed = 1;
        foreach (var terms in new[] { rule, session })
            if (terms?.RequiredApprovals is { } count && (terms.RequiredApprovalsRisk is not { } bound || Risk.IsAtLeast(risk, bound)))
                needed = Math.Max(needed, count);
        return needed > 1 ? needed : null;
    }

    private static ImmutableArray<T>? First<T>(ImmutableArray<T>? a, ImmutableArray<T>? b) =>
        a is { IsDefaultOrEmpty: false } ? a : b is { IsDefaultOrEmpty: false } ? b : null;

    private static ImmutableArray<string>? Some(string?[]? items) =>
        items is { Length: > 0 } ? [.. items.OfType<string>().Take(MaxItems).Select(item => Cut(item, MaxText)!)] : null;

    private static string? Cut(string? text, int length) =>
        text is null || text.Length <= length ? text : $"{text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)]}…[{text.Length - length} characters cut]";

    /// <summary>Text as it is; anything else as the JSON that it came as.</summary>
    private static string? TextOf(JsonElement? value) =>
        value is not { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } some ? null
        : some.ValueKind == JsonValueKind.String ? some.GetString() : some.GetRawText();
}
