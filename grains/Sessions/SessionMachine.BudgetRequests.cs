using System.Globalization;
using System.Text.Json;
using Marionette.Permissions;

namespace Marionette.Sessions;

/// <content>A budget that is used up asks in the inbox. The request belongs to the hold: it comes and goes with it.</content>
internal static partial class SessionMachine
{
    /// <summary>Asks once for each hold; a task that no limit holds any more goes on by itself and needs no answer.</summary>
    private static void AskForBudget(Scribe scribe, LiveTask task)
    {
        if (task.Hold is not { Kind: "budget" } || QuestionOf(scribe.State, task.View.Id) is not null) return;
        if (Exceeded(scribe.State, task, scribe.Context) is not { } level) return;
        var input = JsonSerializer.SerializeToElement(new BudgetQuestion(level.Scope, level.Unit, level.Used, level.Limit), Json.GrainsJsonContext.Default.BudgetQuestion);
        var asked = PermissionAsking.AboutBudget(scribe, level.Scope, input, $"The {level.Scope}'s budget is used up", $"{ReasonOf(level)} {ChoiceOf(level)}");
        scribe.Write(asked, task.View.Id);
    }

    private static string ChoiceOf(BudgetLevel level) => level.Scope == "tenant"
        ? "The task goes on by itself once the tenant's budget is raised or its period turns. Deny cancels the task."
        : string.Create(CultureInfo.InvariantCulture, $"Approve lets the task go on with {level.Limit:0.####} {UnitText(level.Unit)} more. Deny cancels it.");

    /// <summary>A yes continues the task as <see cref="Continue"/> does, a no cancels it.</summary>
    private static void AnswerBudget(Scribe scribe, PermissionView view, string scope, DecidePermission c, string actor)
    {
        var task = HeldBy(scribe.State, view);
        if (!c.Allow)
        {
            Deny(scribe, task, view, c, "budget_denied", "More budget was");
            return;
        }

        if (scope == "tenant" && Exceeded(scribe.State, task, scribe.Context) is { Scope: "tenant" })
            throw new MarionetteException(FaultCode.Conflict, "The tenant's budget is not a session's to raise: raise it, and the task goes on by itself. Deny cancels the task.");
        Allow(scribe, view, c, actor);
        if (QuestionOf(scribe.State, view.TaskId) is not null) return; // It needs another yes.
        Grant(scribe, task, scope, c.By);
        Go(scribe, scribe.State.Find(view.TaskId)!, c.By, "approved");
    }
}

/// <summary>What a budget's request is about, as its <c>input</c>.</summary>
internal sealed record BudgetQuestion(string Scope, string Unit, decimal Used, decimal Limit);
