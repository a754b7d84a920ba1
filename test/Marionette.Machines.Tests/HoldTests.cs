using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>Tasks that wait: for the model, for quota, for money.</summary>
public sealed class HoldTests
{
    [Theory]
    [InlineData("rate_limited", TaskState.WaitingForModel)]
    [InlineData("overloaded", TaskState.WaitingForModel)]
    [InlineData("usage_limit", TaskState.WaitingForQuota)]
    public void ModelThatTakesNothing_IsAWait(string code, TaskState state)
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        walk.Fail(code, walk.Now.AddMinutes(3));
        Assert.Equal(state, walk.Task(task).Status);
        Assert.Equal(walk.Now.AddMinutes(3), walk.Task(task).ResumesAt);
        Assert.Equal(RunStatus.Interrupted, walk.Task(task).Runs[^1].Status);
        Assert.Equal(0.01m, walk.Task(task).Usage.CostUsd);
        Assert.Equal(0, walk.Task(task).RetryCount);
    }

    [Fact]
    public void Wait_ForTheModel_EndsByItself_AndTheNextRunCarriesOn()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        walk.Fail("rate_limited", walk.Now.AddSeconds(30));
        Assert.Equal(walk.Now.AddSeconds(30), SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromSeconds(29));
        walk.Tick();
        Assert.Equal(TaskState.WaitingForModel, walk.Task(task).Status);
        walk.Pass(TimeSpan.FromSeconds(2));
        walk.Tick();
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
        var start = Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.True(start.Continuation);
        Assert.Equal("c1", start.Conversation);
    }

    [Fact]
    public void Wait_ThatEndsTogetherWithTheIdleTime_IsWork_AndNoReasonToSuspend()
    {
        var walk = new Walk().Created(idle: 60);
        var task = walk.Running();
        walk.Fail("rate_limited", walk.Now.AddSeconds(30));
        walk.Pass(TimeSpan.FromSeconds(90));
        walk.Tick();
        Assert.Equal((TaskState.Running, StopIntent.None), (walk.Task(task).Status, walk.State.Stop));
    }

    [Fact]
    public void Wait_WithoutAHint_GrowsAndEndsAsAFailure()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        var waits = new List<TimeSpan>();
        for (var i = 0; i < SessionMachine.ModelHoldLimit; i++)
        {
            walk.Fail("overloaded");
            var until = walk.Task(task).ResumesAt!.Value;
            waits.Add(until - walk.Now);
            walk.Pass(until - walk.Now);
            walk.Tick();
            walk.Say("run.started", new { conversation_id = "c1" });
        }

        Assert.Equal(TimeSpan.FromSeconds(15), waits[0]);
        Assert.Equal(waits.Order(), waits);
        walk.Fail("overloaded");
        Assert.Equal(TaskState.Failed, walk.Task(task).Status);
        Assert.Equal("overloaded", walk.Task(task).Error!.Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Quota_GoesOnByItselfOnlyIfAsked(bool auto)
    {
        var walk = new Walk().Created();
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", AutoContinue: auto), walk.Context));
        var task = walk.Running();
        walk.Fail("usage_limit", walk.Now.AddHours(2));
        walk.Pass(TimeSpan.FromHours(3));
        walk.Tick();
        Assert.Equal(auto ? TaskState.Running : TaskState.WaitingForQuota, walk.Task(task).Status);
        if (auto) return;
        walk.Take(SessionMachine.Continue(walk.State, new ContinueTask(task, "ann", null), walk.Context));
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Wait_KeepsNoIdleRunner_AndGetsOneWhenItIsOver()
    {
        var walk = new Walk().Created(idle: 60);
        var task = walk.Running();
        walk.Fail("rate_limited", walk.Now.AddMinutes(30));
        walk.Pass(TimeSpan.FromSeconds(61));
        walk.Tick();
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(TaskState.WaitingForModel, walk.Task(task).Status);
        walk.Pass(TimeSpan.FromMinutes(30));
        walk.Tick();
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        walk.Attach();
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Wait_CanBeCanceled()
    {
        var walk = new Walk().Created();
        var task = walk.Running();
        walk.Fail("usage_limit");
        walk.Take(SessionMachine.Cancel(walk.State, new CancelTask(task, "ann", null), walk.Context));
        Assert.Equal(TaskState.Canceled, walk.Task(task).Status);
    }
}
