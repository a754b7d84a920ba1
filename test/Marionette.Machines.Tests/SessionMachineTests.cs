using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

public sealed class SessionMachineTests
{
    [Fact]
    public void Submit_PendingSession_AssignsARunnerAndWaits()
    {
        var walk = new Walk().Created();
        var task = walk.Submit();

        Assert.Equal(["session.created", "task.created", "runner.assigned"], walk.Log.Select(e => e.Type));
        Assert.Equal(TaskState.Queued, walk.Task(task).Status);
        Assert.Equal(1, walk.State.View.Epoch);
    }

    [Fact]
    public void Attach_TaskWaits_DispatchesItOnce()
    {
        var walk = new Walk().Created();
        walk.Submit();
        walk.Attach();
        walk.Attach();

        Assert.Equal(SessionStatus.Active, walk.State.View.Status);
        Assert.Single(walk.Log, e => e.Type == "task.dispatched");
        var start = Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal(walk.Log.Single(e => e.Type == "task.dispatched").Seq, start.Number);
        Assert.Empty(PendingCommands.Of(walk.State, start.Number));
    }

    [Fact]
    public void Finish_SecondTaskWaits_DispatchesIt()
    {
        var walk = Running(out var first);
        var second = walk.Submit();
        walk.Finish();

        Assert.Equal(TaskState.Completed, walk.Task(first).Status);
        Assert.Equal(0.25m, walk.Task(first).Usage.CostUsd);
        Assert.Equal(TaskState.Running, walk.Task(second).Status);
    }

    [Fact]
    public void Finish_FailedWithRetriesLeft_RunsAgainThenFails()
    {
        var walk = new Walk().Created();
        var task = walk.Submit(retries: 1);
        walk.Attach();
        walk.Say("run.started", new { });
        walk.Finish("failed");
        Assert.Equal(TaskState.Running, walk.Task(task).Status);

        walk.Say("run.started", new { });
        walk.Finish("failed");
        var view = walk.Task(task);
        Assert.Equal(TaskState.Failed, view.Status);
        Assert.Equal([RunStatus.Failed, RunStatus.Failed], view.Runs.Select(r => r.Status));
        Assert.Equal(20, view.Usage.InputTokens);
    }

    [Fact]
    public void Decide_TwiceByDifferentPeople_SecondIsToldTheWinner()
    {
        var walk = Running(out var task);
        walk.Ask();
        Assert.Equal(TaskState.WaitingPermission, walk.Task(task).Status);
        var id = walk.State.Permissions[0].View.Id;
        walk.Decide(id, allow: true, "cmd-1");

        var fault = Assert.Throws<MarionetteException>(() => walk.Decide(id, allow: false, "cmd-2"));
        Assert.Equal(FaultCode.AlreadyDecided, fault.Code);
        Assert.Contains("Approved by ann", fault.Message, StringComparison.Ordinal);
        walk.Decide(id, allow: true, "cmd-1"); // The same command again is no second answer.
        Assert.Single(walk.Log, e => e.Type == "permission.approved");
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    [Fact]
    public void Decide_AnswerStaysPendingUntilTheAgentHasIt()
    {
        var walk = Running(out _);
        walk.Ask("req-9");
        var id = walk.State.Permissions[0].View.Id;
        walk.Decide(id, allow: false, "cmd-1");
        var answer = Assert.IsType<AnswerPermissionCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal("req-9", answer.RequestId);
        Assert.False(answer.Allow);

        walk.Say("permission.received", new { request_id = "req-9" });
        Assert.Empty(PendingCommands.Of(walk.State, 0));
        Assert.NotNull(walk.Row(id)!.DeliveredAt);
        Assert.Equal(PermissionStatus.Denied, walk.Row(id)!.Status);
    }

    [Fact]
    public void Decide_AfterTheTaskEnded_IsRefused()
    {
        var walk = Running(out _);
        walk.Ask();
        var id = walk.State.Permissions[0].View.Id;
        walk.Finish();

        Assert.Equal(PermissionStatus.Canceled, walk.Row(id)!.Status);
        Assert.Equal(FaultCode.AlreadyDecided, Assert.Throws<MarionetteException>(() => walk.Decide(id, true, "cmd-1")).Code);
    }

    [Fact]
    public void Tick_PermissionNotAnswered_ExpiresAsDenied()
    {
        var walk = Running(out _);
        walk.Ask();
        var id = walk.State.Permissions[0].View.Id;
        walk.Pass(TimeSpan.FromMinutes(31));
        walk.Tick();

        Assert.Equal(PermissionStatus.Expired, walk.Row(id)!.Status);
        Assert.False(Assert.IsType<AnswerPermissionCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Allow);
    }

    [Fact]
    public void Tick_RunTooLong_InterruptsThenTakesTheRunnerAway()
    {
        var walk = new Walk().Created();
        var task = walk.Submit(timeout: 10);
        walk.Attach();
        walk.Say("run.started", new { });
        walk.Pass(TimeSpan.FromSeconds(11));
        walk.Tick();
        Assert.Equal("timed_out", Assert.IsType<InterruptCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Outcome);

        walk.Pass(TimeSpan.FromSeconds(31));
        walk.Tick();
        Assert.Equal(TaskState.TimedOut, walk.Task(task).Status);
        Assert.Null(walk.State.View.RunnerId);
    }

    [Fact]
    public void Lost_RunningTask_GoesOnWithTheNextEpoch()
    {
        var walk = Running(out var task);
        walk.Take(SessionMachine.Lost(walk.State, 1, "killed", null, walk.Context));
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        Assert.Equal(2, walk.State.View.Epoch);

        walk.Attach();
        var start = Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal(2, start.Attempt);
        Assert.True(start.Continuation);
        Assert.Equal(RunStatus.Interrupted, walk.Task(task).Runs[0].Status);
    }

    [Fact]
    public void Lost_AgainAndAgain_FailsTheTaskAndRests()
    {
        var walk = Running(out var task);
        for (var i = 0; i < 3; i++)
        {
            walk.Take(SessionMachine.Lost(walk.State, walk.State.View.Epoch, "killed", "the agent was killed", walk.Context));
            if (walk.State.View.RunnerId is not null) walk.Attach();
        }

        Assert.Equal(TaskState.Failed, walk.Task(task).Status);
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
    }

    [Fact]
    public void Append_OldEpoch_IsFenced()
    {
        var walk = Running(out _);
        walk.Take(SessionMachine.Lost(walk.State, 1, "killed", null, walk.Context));
        var zombie = new RunnerOutput(1, 5, [new OutputEvent("text", null, 1, "{}"u8.ToArray())]);

        Assert.Equal(FaultCode.Fenced, Assert.Throws<MarionetteException>(
            () => SessionMachine.Append(walk.State, zombie, walk.Context)).Code);
    }

    [Fact]
    public void Append_NumberSkipped_IsRefused()
    {
        var walk = Running(out _);
        walk.NextNumber++;
        Assert.Equal(FaultCode.Invalid, Assert.Throws<MarionetteException>(() => walk.Say("text", new { })).Code);
    }

    [Fact]
    public void Append_LifecycleTypeForgedByARunner_IsStoredAsALog()
    {
        var walk = Running(out _);
        walk.Say("session.terminated", new { reason = "gotcha" });
        Assert.Equal("log", walk.Log[^1].Type);
        Assert.Equal(SessionStatus.Active, walk.State.View.Status);
    }

    [Fact]
    public void Suspend_RunningTask_StopsCutsOffAndContinuesOnResume()
    {
        var walk = Running(out var task);
        walk.Take(SessionMachine.Suspend(walk.State, "lunch", walk.Context));
        Assert.Equal("suspending", walk.State.View.Phase);
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));

        walk.Finish("interrupted");
        walk.Say("runner.stopped", new { reason = "suspend", conversation_id = "c1" });
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(TaskState.Queued, walk.Task(task).Status);
        Assert.Null(walk.State.View.RunnerId);

        walk.Take(SessionMachine.Resume(walk.State, "back", walk.Context));
        walk.Attach();
        Assert.True(Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Continuation);
        Assert.NotNull(walk.State.View.ResumedAt);
    }

    [Fact]
    public void Submit_WhileSuspending_ResumesByItself()
    {
        var walk = Running(out _);
        walk.Take(SessionMachine.Suspend(walk.State, "lunch", walk.Context));
        walk.Submit();
        walk.Finish("interrupted");
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
    }

    [Fact]
    public void Terminate_EndsEverythingOnceAndForAll()
    {
        var walk = Running(out var task);
        walk.Ask();
        var permission = walk.State.Permissions[0].View.Id;
        var waiting = walk.Submit();
        walk.Take(SessionMachine.Terminate(walk.State, "enough", walk.Context));

        Assert.Equal(SessionStatus.Terminated, walk.State.View.Status);
        Assert.Equal(TaskState.Canceled, walk.Task(task).Status);
        Assert.Equal(TaskState.Canceled, walk.Task(waiting).Status);
        Assert.Equal(PermissionStatus.Canceled, walk.Row(permission)!.Status);
        Assert.Equal(FaultCode.SessionClosed, Assert.Throws<MarionetteException>(() => walk.Submit()).Code);
        var before = walk.Log.Count;
        walk.Take(SessionMachine.Terminate(walk.State, "again", walk.Context));
        Assert.Equal(before, walk.Log.Count);
    }

    private static Walk Running(out string task)
    {
        var walk = new Walk().Created();
        task = walk.Submit();
        walk.Attach();
        walk.Say("run.started", new { conversation_id = "c1" });
        return walk;
    }
}
