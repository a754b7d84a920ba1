using Marionette.Permissions;

namespace Marionette.Sessions;

/// <summary>The part of the fold that concerns permission requests.</summary>
internal static class PermissionFold
{
    /// <summary>Lines of history that a request keeps.</summary>
    private const int MaxHistory = 50;

    public static bool Concerns(Fact fact) => IdOf(fact) is not null;

    public static SessionState Apply(SessionState state, Entry e)
    {
        if (e.Fact is PermissionRequested asked)
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.Add(new LivePermission { View = Asked(state, e, asked) }) }, e);

        var at = IndexOf(state, IdOf(e.Fact) ?? "");
        if (at < 0) return state;
        if (e.Fact is PermissionCanceled or PermissionDelivered)
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.RemoveAt(at) }, e);

        var live = state.Permissions[at];
        var decides = e.Fact is PermissionDecided or PermissionExpired;
        // No agent waits for the answer to the session's own question, so nothing will say that it arrived.
        if (decides && live.View.BySession) return state with { Permissions = state.Permissions.RemoveAt(at) };
        var changed = live with { View = After(live.View, e), DecisionSeq = decides ? e.Seq : live.DecisionSeq };
        state = state with { Permissions = state.Permissions.SetItem(at, changed) };
        if (e.Fact is PermissionDecided { Remembered: { Scope: not "tenant" } rule }) state = WithRule(state, rule);
        return TaskFold.WithWaiting(state, e);
    }

    /// <summary>A request's row after an event about it; also used for rows whose request has left the live state.</summary>
    public static PermissionView After(PermissionView view, Entry e) => e.Fact switch
    {
        PermissionDecided f => Noted(view, e, f.Allow ? "approved" : "denied", f.By, f.Reason) with
        {
            Status = f.Allow ? PermissionStatus.Approved : PermissionStatus.Denied, RespondedBy = f.By, ResponseReason = f.Reason, RespondedAt = e.At,
            UpdatedInput = f.UpdatedInput?.GetRawText(), Interrupt = f.Interrupt, DecidedByCommand = f.CommandId,
            RuleId = f.RuleId ?? view.RuleId, Remembered = f.Remembered,
        },
        PermissionApprovalAdded f => Noted(view, e, "approval", f.By, $"{f.Have} of {f.Need}{(f.Reason is null ? "" : $": {f.Reason}")}") with
        {
            Approvals = view.Approvals.Add(new PermissionApproval(f.By, f.Actor, f.ActorName, f.Reason, f.CommandId, e.At)),
        },
        PermissionEscalated f => Noted(view, e, "escalated", null, f.Notify.IsEmpty ? "reminder" : string.Join(", ", f.Notify)) with
        {
            EscalationStep = f.Step, Approvers = f.Approvers ?? view.Approvers,
        },
        PermissionDelegated f => Noted(view, e, "delegated", f.By, $"to {f.To}{(f.Reason is null ? "" : $": {f.Reason}")}") with
        {
            Approvers = f.Approvers, DelegatedByCommand = f.CommandId,
        },
        PermissionExpired f => Noted(view, e, "expired", null, f.Reason) with
        {
            Status = PermissionStatus.Expired, ResponseReason = f.Reason, RespondedAt = e.At,
        },
        PermissionCanceled f when view.Status == PermissionStatus.Pending => Noted(view, e, "canceled", null, f.Reason) with
        {
            Status = PermissionStatus.Canceled, ResponseReason = f.Reason, RespondedAt = e.At,
        },
        PermissionDelivered => Noted(view, e, "delivered", null, null) with { DeliveredAt = e.At },
        _ => view,
    };

    private static PermissionView Asked(SessionState state, Entry e, PermissionRequested f) => new()
    {
        Id = f.PermissionId, OriginalRequestId = f.RequestId, SessionId = state.View.Id, TaskId = e.TaskId ?? "", RunId = e.RunId ?? "", Tool = f.Tool,
        Action = f.Action, Description = f.Description, Context = f.Context, RiskLevel = f.RiskLevel, Status = PermissionStatus.Pending,
        ExpiresAt = f.ExpiresAt ?? PermissionView.Never, Budget = f.Budget, CreatedAt = e.At, UpdatedAt = e.At, Category = f.Category, Title = f.Title, Command = f.Command, Paths = f.Paths ?? [],
        Hosts = f.Hosts ?? [], Diff = f.Diff, Why = f.Why, TakesInput = f.TakesInput, RiskReasons = f.RiskReasons ?? [], RuleId = f.RuleId,
        RuleReason = f.RuleReason, Approvers = f.Approvers ?? [], RequiredApprovals = f.RequiredApprovals ?? 1, Escalation = f.Escalation ?? [],
        Hooks = f.Hooks ?? [], Agent = state.View.Agent, WorkspaceId = state.View.WorkspaceId,
        SessionLabels = state.View.Labels, History = [new PermissionNote(e.At, "requested", null, f.RuleReason)],
    };

    private static PermissionView Noted(PermissionView view, Entry e, string what, string? by, string? detail)
    {
        var history = view.History.Add(new PermissionNote(e.At, what, by, detail));
        return view with { UpdatedAt = e.At, History = history.Length > MaxHistory ? history.RemoveAt(0) : history };
    }

    /// <summary>Rules of tasks that have ended go when a new one comes.</summary>
    private static SessionState WithRule(SessionState state, PolicyRule rule)
    {
        var rules = state.View.PermissionRules.Where(r => r.Id != rule.Id && (r.Scope != "task" || r.TaskId is { } task && state.Find(task) is not null));
        return state with { View = state.View with { PermissionRules = [.. rules, rule] } };
    }

    private static string? IdOf(Fact fact) => fact switch
    {
        PermissionRequested f => f.PermissionId,
        PermissionDecided f => f.PermissionId,
        PermissionApprovalAdded f => f.PermissionId,
        PermissionEscalated f => f.PermissionId,
        PermissionDelegated f => f.PermissionId,
        PermissionExpired f => f.PermissionId,
        PermissionCanceled f => f.PermissionId,
        PermissionDelivered f => f.PermissionId,
        _ => null,
    };

    private static int IndexOf(SessionState state, string permissionId)
    {
        for (var i = 0; i < state.Permissions.Length; i++)
            if (state.Permissions[i].View.Id == permissionId) return i;
        return -1;
    }
}
