using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Permissions;
using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>What an agent asks, and what it is answered.</content>
internal static partial class SessionMachine
{
    /// <summary>Rules of its own that a session may have.</summary>
    public const int SessionRuleLimit = 100;

    /// <param name="row">The request's row, when it is not among the live ones.</param>
    public static Decision Decide(SessionState state, PermissionView? row, DecidePermission c, DecisionContext context)
    {
        MustExist(state);
        var live = state.Permissions.FirstOrDefault(p => p.View.Id == c.PermissionId);
        if ((live?.View ?? row) is not { } view) throw new MarionetteException(FaultCode.NotFound, "No such permission request.");
        if (IsRepeat(view, c)) return new(state);
        if (view.Status != PermissionStatus.Pending || live is null)
            throw new MarionetteException(FaultCode.AlreadyDecided, AnswerOf(view));
        var actor = c.Actor ?? c.By;
        Approvers.MustBeOne(view, actor, c.ActorName);

        var scribe = new Scribe(state, context);
        if (view.Budget is { } scope) AnswerBudget(scribe, view, scope, c, actor);
        else if (view.BySession) AnswerFailover(scribe, view, c, actor);
        else if (c.Allow) Allow(scribe, view, c, actor);
        else scribe.Write(new PermissionDecided(false, view.Id, c.By, c.Reason, null, c.Interrupt, c.CommandId), view.TaskId, RunOf(view));
        return scribe.Decide();
    }

    public static Decision Delegate(SessionState state, PermissionView? row, DelegatePermission c, DecisionContext context)
    {
        MustExist(state);
        var live = state.Permissions.FirstOrDefault(p => p.View.Id == c.PermissionId);
        if ((live?.View ?? row) is not { } view) throw new MarionetteException(FaultCode.NotFound, "No such permission request.");
        if (view.DelegatedByCommand == c.CommandId) return new(state);
        if (view.Status != PermissionStatus.Pending || live is null)
            throw new MarionetteException(FaultCode.AlreadyDecided, AnswerOf(view));
        Approvers.MustBeOne(view, c.Actor, c.ActorName);
        var scribe = new Scribe(state, context);
        var approvers = Approvers.HandOn(view, c.Actor, c.ActorName, c.To);
        scribe.Write(new PermissionDelegated(view.Id, c.By, c.To, c.Reason, approvers, c.CommandId), view.TaskId, RunOf(view));
        return scribe.Decide();
    }

    private static bool IsRepeat(PermissionView view, DecidePermission c) =>
        view.DecidedByCommand == c.CommandId && view.Status == (c.Allow ? PermissionStatus.Approved : PermissionStatus.Denied)
        || c.Allow && view.Approvals.Any(a => a.CommandId == c.CommandId);

    private static void Allow(Scribe scribe, PermissionView view, DecidePermission c, string actor)
    {
        if (c.UpdatedInput is not null && view.TakesInput == false)
            throw new MarionetteException([new FieldError("updated_input", "this question takes no other input: allow it as it is, or deny it with a reason")]);
        if (view.RequiredApprovals > 1)
        {
            // Two people who agree to two different things have not agreed.
            if (c.UpdatedInput is not null)
                throw new MarionetteException(FaultCode.Conflict, "It needs several approvals, and they must be of the same input: deny it with a reason instead.");
            Approvers.MustBeNew(view, actor, c.ActorName);
        }

        var remembered = c.Remember is { } scope ? Remember(scribe, view, scope, c.By) : null;
        var have = view.Approvals.Length + 1;
        Fact fact = have < view.RequiredApprovals
            ? new PermissionApprovalAdded(view.Id, c.By, actor, c.ActorName, c.Reason, c.CommandId, have, view.RequiredApprovals)
            : new PermissionDecided(true, view.Id, c.By, c.Reason, ParseInput(c.UpdatedInput), false, c.CommandId, null, remembered);
        scribe.Write(fact, view.TaskId, RunOf(view));
    }

    private static PolicyRule Remember(Scribe scribe, PermissionView view, string scope, string by)
    {
        if (scope != "tenant" && scribe.State.View.PermissionRules.Length >= SessionRuleLimit)
            throw new MarionetteException(FaultCode.Conflict, $"The session has {SessionRuleLimit} rules of its own already: write one for the tenant instead.");
        return RuleMaker.Remember(view, PermissionAsking.SubjectOf(scribe.State.View, view), scope, by, scribe.Now);
    }

    private static void Asked(Scribe scribe, string? runId, PermissionReport report, long source)
    {
        if (report.RequestId is null || report.Tool is null) throw new JsonException("request_id and tool are required.");
        if (scribe.State.Current is not { } task || task.RunId != runId) return;
        var verdict = PermissionAsking.Judge(scribe.State.View, task.View.Id, report, scribe.Context.Policy);
        var asked = PermissionAsking.Request(scribe, report, verdict);
        scribe.Write(asked, task.View.Id, runId, source);
        if (verdict is { Effect: PolicyEffect.Allow or PolicyEffect.Deny, Rule: { } rule })
            scribe.Write(
                new PermissionDecided(
                    verdict.Effect == PolicyEffect.Allow, asked.PermissionId, $"rule {rule}", verdict.Why, null, false, $"rule:{rule.Id}", rule.Id),
                task.View.Id, runId);
    }

    private static void Noticed(Scribe scribe, OutputEvent e, PermissionNotice notice, long source)
    {
        // What was not answered cannot have been received.
        var received = e.Type == "permission.received";
        var live = scribe.State.Permissions.FirstOrDefault(
            p => !p.View.BySession && p.View.OriginalRequestId == notice.RequestId && p.View.RunId == e.RunId && (!received || p.DecisionSeq > 0));
        if (live is null) return;
        Fact fact = received
            ? new PermissionDelivered(live.View.Id)
            : new PermissionCanceled(live.View.Id, notice.Reason ?? "The agent asks no more.");
        scribe.Write(fact, live.View.TaskId, live.View.RunId, source);
    }

    /// <summary>Deadlines of requests that have come, and steps on the way to them.</summary>
    private static void TickRequests(Scribe scribe)
    {
        foreach (var permission in scribe.State.Permissions)
        {
            if (permission.DecisionSeq != 0) continue;
            var view = permission.View;
            if (view.ExpiresAt <= scribe.Now)
            {
                scribe.Write(new PermissionExpired(view.Id, "Nobody answered in time."), view.TaskId, RunOf(view));
                continue;
            }

            for (var i = view.EscalationStep; i < view.Escalation.Length && StepTime(view, i) <= scribe.Now; i++) Escalate(scribe, view.Id, i);
        }
    }

    private static void Escalate(Scribe scribe, string permissionId, int index)
    {
        var view = scribe.State.Permissions.First(p => p.View.Id == permissionId).View;
        var step = view.Escalation[index];
        // A reminder goes to all who may answer by now, or where everybody may, to those who were told before.
        var before = view.Approvers.IsEmpty ? view.Escalation.Take(index).SelectMany(s => s.Notify) : view.Approvers;
        ImmutableArray<string> notify = [.. step.Remind ? before.Concat(step.Notify).Distinct() : step.Notify];
        ImmutableArray<string>? approvers = view.Approvers.IsEmpty ? null : [.. view.Approvers.Concat(step.Notify).Distinct()];
        scribe.Write(new PermissionEscalated(view.Id, index + 1, notify, step.Remind, approvers), view.TaskId, RunOf(view));
    }

    private static DateTimeOffset StepTime(PermissionView view, int index) => view.CreatedAt + TimeSpan.FromSeconds(view.Escalation[index].AfterSeconds);

    private static DateTimeOffset? RequestDeadline(SessionState state)
    {
        DateTimeOffset? next = null;
        foreach (var permission in state.Permissions)
        {
            if (permission.DecisionSeq != 0) continue;
            var view = permission.View;
            var due = view.EscalationStep < view.Escalation.Length && StepTime(view, view.EscalationStep) is var step && step < view.ExpiresAt ? step : view.ExpiresAt;
            if (due != PermissionView.Never && !(due >= next)) next = due;
        }

        return next;
    }

    private static void CloseRequests(Scribe scribe, string? runId, string reason)
    {
        foreach (var permission in scribe.State.Permissions)
            if (runId is null || permission.View.RunId == runId)
                scribe.Write(new PermissionCanceled(permission.View.Id, reason), permission.View.TaskId, RunOf(permission.View));
    }

    private static string? RunOf(PermissionView view) => view.RunId.Length == 0 ? null : view.RunId;

    private static string AnswerOf(PermissionView view) => view.Status switch
    {
        PermissionStatus.Approved or PermissionStatus.Denied =>
            $"{(view.Status == PermissionStatus.Approved ? "Approved" : "Denied")} by {view.RespondedBy} at {view.RespondedAt:O}.",
        PermissionStatus.Expired => $"It expired at {view.RespondedAt:O} and counts as denied.",
        _ => $"It was canceled at {view.RespondedAt:O}: {view.ResponseReason}",
    };

    private static JsonElement? ParseInput(byte[]? json)
    {
        if (json is null) return null;
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
