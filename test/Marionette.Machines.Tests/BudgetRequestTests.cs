using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>A budget that is used up asks in the inbox: once for each hold, for as long as it holds.</summary>
public sealed class BudgetRequestTests
{
    private static readonly Budget Tokens100 = new(null, 100, null);

    [Fact]
    public void Hold_AsksOnce_WithoutADeadline()
    {
        var (walk, task, asked) = Held();
        Assert.Equal("task", asked.Budget);
        Assert.Equal("budget", asked.Tool);
        Assert.Equal("budget", asked.Category);
        Assert.Equal("", asked.RunId);
        Assert.Contains("101 of 100 tokens", asked.Description, StringComparison.Ordinal);
        Assert.Equal("""{"scope":"task","unit":"tokens","used":101,"limit":100}""", asked.Action);
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);
        Assert.Null(SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromDays(400));
        walk.Tick();
        Assert.Equal(PermissionStatus.Pending, walk.Row(asked.Id)!.Status);
        Assert.Single(walk.Log, e => e.Type == "permission.requested");
    }

    [Fact]
    public void Yes_ContinuesTheTaskWithAsMuchAgain()
    {
        var (walk, task, asked) = Held();
        walk.Answer(asked.Id, "ann");
        Assert.Equal(PermissionStatus.Approved, walk.Row(asked.Id)!.Status);
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
        Assert.Equal(201, walk.Task(task).Budget!.MaxTokens);
        Assert.Empty(walk.State.Permissions);
        Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        walk.Answer(asked.Id, "ann");
        Assert.Equal(FaultCode.AlreadyDecided, Assert.Throws<MarionetteException>(() => walk.Answer(asked.Id, "bob", allow: false)).Code);
        Assert.Single(walk.Log, e => e.Type == "permission.approved");
    }

    [Fact]
    public void No_CancelsTheTask_AndTheNextOneRuns()
    {
        var (walk, task, asked) = Held();
        var next = walk.Submit();
        walk.Answer(asked.Id, "ann", allow: false);
        Assert.Equal(PermissionStatus.Denied, walk.Row(asked.Id)!.Status);
        Assert.Equal(TaskState.Canceled, walk.Task(task).Status);
        Assert.Equal("budget_denied", walk.Task(task).Error!.Code);
        Assert.Contains("ann", walk.Task(task).Error!.Message, StringComparison.Ordinal);
        Assert.Equal(TaskState.Running, walk.Task(next).Status);
    }

    [Theory]
    [InlineData("continue")]
    [InlineData("cancel")]
    [InlineData("raise")]
    [InlineData("terminate")]
    public void WhatEndsTheHold_CancelsTheRequestOnce(string how)
    {
        var (walk, task, asked) = Held(ofSession: how == "raise");
        walk.Take(how switch
        {
            "continue" => SessionMachine.Continue(walk.State, new ContinueTask(task, "bob", null), walk.Context),
            "cancel" => SessionMachine.Cancel(walk.State, new CancelTask(task, "bob", null), walk.Context),
            "raise" => SessionMachine.Change(walk.State, new ChangeSession("bob", Budget: new Budget(null, 1000, null)), walk.Context),
            _ => SessionMachine.Terminate(walk.State, "asked", walk.Context),
        });
        Assert.Equal(PermissionStatus.Canceled, walk.Row(asked.Id)!.Status);
        Assert.Single(walk.Log, e => e.Type == "permission.canceled");
        Assert.Empty(walk.State.Permissions);
        Assert.Throws<MarionetteException>(() => walk.Answer(asked.Id, "ann"));
    }

    [Fact]
    public void NoRule_AnswersABudget_AndNoAnswerIsRemembered()
    {
        var walk = new Walk().Created();
        walk.Policy = new TenantPolicy { Rules = [new() { Id = "pol_1", Effect = PolicyEffect.Allow, Tools = ["*"] }] };
        var (_, _, asked) = Held(walk);
        Assert.Equal(PermissionStatus.Pending, asked.Status);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => walk.Answer(asked.Id, "ann", remember: "session")).Code);
        Assert.Equal(PermissionStatus.Pending, walk.Row(asked.Id)!.Status);
    }

    [Fact]
    public void Tenant_ItsBudgetIsNotASessionsToRaise()
    {
        var walk = new Walk().Created();
        walk.Tenant = new TenantSpending(Tokens100, new Usage(100, 0, 0, 0, 0));
        var task = walk.Submit();
        walk.Attach();
        var asked = Assert.Single(walk.State.Permissions).View;
        Assert.Equal("tenant", asked.Budget);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => walk.Answer(asked.Id, "ann")).Code);
        walk.Tenant = new TenantSpending(Tokens100, Usage.None);
        walk.Answer(asked.Id, "ann");
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Agent_CannotWithdrawOrPretendABudgetsRequest()
    {
        var (walk, _, asked) = Held();
        walk.Say("permission.withdrawn", new { request_id = "budget", reason = "never mind" }, run: "");
        Assert.Equal(PermissionStatus.Pending, walk.Row(asked.Id)!.Status);
        walk.Answer(asked.Id, "ann");
        walk.Say("run.started", new { conversation_id = "c1" });
        walk.Say("permission.request", new { request_id = "r", tool = "budget", category = "budget", input = new { } });
        var said = Assert.Single(walk.State.Permissions).View;
        Assert.Equal("other", said.Category);
        Assert.Null(said.Budget);
    }

    [Fact]
    public void Terms_OfTheSession_SayWhoAnswersAndWhomToRemind()
    {
        var walk = new Walk();
        walk.Created(terms: new PermissionTerms { Approvers = ["bob"], TimeoutSeconds = 60, Escalation = [new() { AfterSeconds = 30, Notify = ["eve"] }] });
        var (_, task, asked) = Held(walk);
        Assert.Throws<MarionetteException>(() => walk.Answer(asked.Id, "ann"));
        Assert.Equal(walk.Now.AddSeconds(30), SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromMinutes(5));
        walk.Tick();
        Assert.Single(walk.Log, e => e.Type == "permission.escalated");
        Assert.Equal(PermissionStatus.Pending, walk.Row(asked.Id)!.Status);
        walk.Answer(asked.Id, "eve");
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Cancel_OfATaskThatWaits_LeavesTheQuestionsOfTheOneThatRuns()
    {
        var walk = new Walk().Created();
        walk.Running();
        var asked = walk.AskCommand("ls");
        var waits = walk.Submit();
        walk.Take(SessionMachine.Cancel(walk.State, new CancelTask(waits, "ann", null), walk.Context));
        Assert.Equal(TaskState.Canceled, walk.Task(waits).Status);
        Assert.Equal(PermissionStatus.Pending, walk.Row(asked)!.Status);
    }

    [Fact]
    public void Cancel_OfAHeldTask_WakesTheSessionForTheNext()
    {
        var walk = new Walk().Created(idle: 60);
        var (_, task, _) = Held(walk);
        walk.Pass(TimeSpan.FromSeconds(61));
        walk.Tick();
        walk.Say("runner.stopped", new { reason = "suspend" });
        walk.Submit();
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        walk.Take(SessionMachine.Cancel(walk.State, new CancelTask(task, "ann", null), walk.Context));
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
    }

    /// <summary>A task that used 101 of 100 tokens and was paused.</summary>
    private static (Walk Walk, string Task, PermissionView Asked) Held(Walk? walk = null, bool ofSession = false)
    {
        walk ??= new Walk().Created();
        if (ofSession) walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Budget: Tokens100), walk.Context));
        var task = walk.Running(ofSession ? null : Tokens100);
        walk.Use(101);
        walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 5, usage = new { input_tokens = 101 } });
        return (walk, task, Assert.Single(walk.State.Permissions).View);
    }
}
