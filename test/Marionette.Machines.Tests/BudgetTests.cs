using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>Budgets warn, then pause and wait: they never end a task.</summary>
public sealed class BudgetTests
{
    private static readonly Budget Tokens100 = new(null, 100, null);

    [Fact]
    public void Tokens_WarnOnce_ThenPause_ThenGoOnWithMore()
    {
        var walk = new Walk().Created();
        var task = walk.Running(Tokens100);
        walk.Use(79);
        Assert.DoesNotContain(walk.Log, e => e.Type == "budget.warning");
        walk.Use(1);
        walk.Use(1);
        Assert.Single(walk.Log, e => e.Type == "budget.warning");
        walk.Use(20);
        Assert.Single(walk.Log, e => e.Type == "budget.exceeded");
        var interrupt = Assert.IsType<InterruptCommand>(Assert.Single(PendingCommands.Of(walk.State, walk.State.Current!.DispatchSeq)));
        Assert.Equal("paused", interrupt.Outcome);

        walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 5, usage = new { input_tokens = 101 } });
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);
        Assert.Contains("101 of 100 tokens", walk.Task(task).Reason, StringComparison.Ordinal);
        walk.Tick();
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);

        walk.Take(SessionMachine.Continue(walk.State, new ContinueTask(task, "ann", null), walk.Context));
        Assert.Equal(201, walk.Task(task).Budget!.MaxTokens);
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
        Assert.True(Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Continuation);
    }

    [Fact]
    public void Pause_OfARunThatMadeIt_IsItsEnd()
    {
        var walk = new Walk().Created();
        var task = walk.Running(Tokens100);
        walk.Use(100);
        walk.Finish();
        Assert.Equal(TaskState.Completed, walk.Task(task).Status);
    }

    [Fact]
    public void Session_UsedUp_HoldsItsNextTask_UntilTheBudgetIsRaised()
    {
        var walk = new Walk().Created();
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Budget: new Budget(0.2m, null, null)), walk.Context));
        walk.Running();
        walk.Finish(); // 0.25 US dollars
        var next = walk.Submit();
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(next).Status);
        Assert.Equal("waiting_for_budget", walk.State.View.Phase);
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Budget: new Budget(1, null, null)), walk.Context));
        Assert.Equal(TaskState.Running, walk.Task(next).Status);
    }

    [Fact]
    public void Tenant_UsedUp_Holds_AndGoesOnInTheNextPeriod()
    {
        var walk = new Walk().Created();
        walk.Tenant = new TenantSpending(Tokens100, new Usage(100, 0, 0, 0, 0));
        walk.Submit();
        walk.Attach();
        var task = walk.State.Tasks[0].View.Id;
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);
        walk.Tenant = null; // not known: nothing is concluded from that
        walk.Tick();
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);
        walk.Tenant = new TenantSpending(Tokens100, Usage.None);
        walk.Tick();
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Money_OfARunUnderWay_IsEstimatedByPrice()
    {
        var walk = new Walk().Created();
        walk.Prices = new PriceTable([new("claude", new ModelPrice { Input = 1_000_000 }), new("claude-x", new ModelPrice { Input = 3 })]);
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Model: "claude-x-9"), walk.Context));
        walk.Running(new Budget(3m, null, null));
        walk.Use(900_000);
        Assert.Contains(walk.Log, e => e.Type == "budget.warning");
        Assert.Null(walk.State.Current!.CancelOutcome);
        walk.Use(100_000);
        Assert.Equal("paused", walk.State.Current!.CancelOutcome);
    }

    [Fact]
    public void Money_WithoutAPrice_IsEstimatedByWhatEarlierRunsCost()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Finish(); // 12 tokens for 0.25
        walk.Submit(budget: new Budget(1m, null, null));
        walk.Say("run.started", new { conversation_id = "c1" });
        walk.Use(48);
        Assert.Equal("paused", walk.State.Current!.CancelOutcome);
    }

    [Fact]
    public void Minutes_AreADeadline()
    {
        var walk = new Walk().Created();
        var task = walk.Running(new Budget(null, null, 2));
        Assert.Equal(walk.Now.AddMinutes(2), SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromMinutes(2));
        walk.Tick();
        Assert.Equal("paused", walk.State.Current!.CancelOutcome);
        // An agent that does not react loses its runner; its task waits all the same.
        walk.Pass(TimeSpan.FromMinutes(1));
        walk.Tick();
        Assert.Equal(TaskState.WaitingForBudget, walk.Task(task).Status);
    }

    [Fact]
    public void Cancel_WhilePausing_Cancels()
    {
        var walk = new Walk().Created();
        var task = walk.Running(Tokens100);
        walk.Use(100);
        walk.Take(SessionMachine.Cancel(walk.State, new CancelTask(task, "ann", null), walk.Context));
        walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 5 });
        Assert.Equal(TaskState.Canceled, walk.Task(task).Status);
    }
}
