using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>What becomes of a run that was cut off, under each policy.</summary>
public sealed class FailoverTests
{
    [Fact]
    public void AtOnce_GoesOnOnAnotherRunner()
    {
        var (walk, task) = Cut(null);
        Assert.Equal(Failover.AtOnce, walk.State.View.FailoverPolicy);
        Assert.Equal(TaskState.Queued, walk.Task(task).Status);
        Assert.Equal((SessionStatus.Resuming, 2L), (walk.State.View.Status, walk.State.View.Epoch));
        Assert.Empty(walk.State.Permissions);
    }

    [Fact]
    public void Ask_WaitsWithoutARunner_AndTheInboxHasTheQuestion()
    {
        var (walk, task) = Cut(Failover.Ask);
        Assert.Equal((TaskState.WaitingForFailover, "suspended"), (walk.Task(task).Status, walk.State.View.Phase));
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Null(walk.State.View.RunnerId);
        var asked = Assert.Single(walk.State.Permissions).View;
        Assert.Equal((PermissionView.FailoverCategory, PermissionView.Never, task), (asked.Category, asked.ExpiresAt, asked.TaskId));
        Assert.Contains("out of memory", asked.Description, StringComparison.Ordinal);
        Assert.Contains("2026-01-01", asked.Description, StringComparison.Ordinal);
        // Nobody is in a hurry.
        walk.Pass(TimeSpan.FromDays(100));
        walk.Tick();
        Assert.Equal(TaskState.WaitingForFailover, walk.Task(task).Status);
    }

    [Fact]
    public void Ask_Yes_GoesOnWithTheConversation()
    {
        var (walk, task) = Cut(Failover.Ask);
        var question = walk.State.Permissions[0].View.Id;
        walk.Answer(question, "ann");
        Assert.Equal(PermissionStatus.Approved, walk.Row(question)!.Status);
        Assert.Empty(walk.State.Permissions);
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        walk.Attach();
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
        Assert.True(Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0))).Continuation);
    }

    [Fact]
    public void Ask_No_CancelsTheTask_AndTheNextOneRuns()
    {
        var (walk, task) = Cut(Failover.Ask);
        var next = walk.Submit();
        Assert.Null(walk.State.View.RunnerId);
        walk.Answer(walk.State.Permissions[0].View.Id, "ann", allow: false);
        Assert.Equal((TaskState.Canceled, "failover_denied"), (walk.Task(task).Status, walk.Task(task).Error!.Code));
        walk.Attach();
        Assert.Equal(TaskState.Running, walk.Task(next).Status);
    }

    [Theory]
    [InlineData("continue")]
    [InlineData("cancel")]
    [InlineData("terminate")]
    public void WhatEndsTheWait_CancelsTheQuestion(string how)
    {
        var (walk, task) = Cut(Failover.Ask);
        var question = walk.State.Permissions[0].View.Id;
        walk.Take(how switch
        {
            "continue" => SessionMachine.Continue(walk.State, new ContinueTask(task, "bob", null), walk.Context),
            "cancel" => SessionMachine.Cancel(walk.State, new CancelTask(task, "bob", null), walk.Context),
            _ => SessionMachine.Terminate(walk.State, "asked", walk.Context),
        });
        Assert.Equal(PermissionStatus.Canceled, walk.Row(question)!.Status);
        Assert.Empty(walk.State.Permissions);
    }

    [Fact]
    public void Never_FailsTheTask_AndTheNextOneGoesOn()
    {
        var walk = new Walk().Created(failover: Failover.Never);
        var task = walk.Running();
        var next = walk.Submit();
        walk.Take(SessionMachine.Lost(walk.State, 1, "oom", "It went out of memory.", walk.Context));
        Assert.Equal((TaskState.Failed, "runner_lost"), (walk.Task(task).Status, walk.Task(task).Error!.Code));
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        walk.Attach();
        Assert.Equal(TaskState.Running, walk.Task(next).Status);
    }

    [Theory]
    [InlineData("out_of_memory", "memory_mib")]
    [InlineData("disk_full", "disk_mib")]
    [InlineData("killed", "own log")]
    [InlineData("engine_restarted", "live-restore")]
    [InlineData("removed", "marks")]
    [InlineData("host_lost", "hosts list")]
    [InlineData("lease_expired", "gateway")]
    [InlineData("provision_failed", "providers list")]
    [InlineData("unpause_failed", "before the pause")]
    [InlineData("exited", "agent says why")]
    public void Loss_SaysWhatToDo_AndWhichCheckpointIsNewest(string cause, string expected)
    {
        var (walk, _) = Cut(null);
        var point = walk.State.View.RecoveryPoint!.Seq;
        walk.Attach();
        walk.Take(SessionMachine.Lost(walk.State, walk.State.View.Epoch, cause, "evidence", walk.Context));
        var lost = (RunnerLost)FactCodec.Read("runner.lost", walk.Log.Last(e => e.Type == "runner.lost").Payload);
        Assert.Contains(expected, lost.Next, StringComparison.Ordinal);
        Assert.Equal((point, "evidence"), (lost.CheckpointSeq, lost.Detail));
    }

    [Theory]
    [InlineData(Failover.Ask, TaskState.WaitingForFailover)]
    [InlineData(Failover.Never, TaskState.Failed)]
    public void AgentThatWasStartedAgain_IsALossToo(string policy, TaskState expected)
    {
        var walk = new Walk().Created(failover: policy);
        var task = walk.Running();
        walk.Finish("interrupted");
        Assert.Equal(expected, walk.Task(task).Status);
        Assert.Equal(SessionStatus.Active, walk.State.View.Status);
    }

    [Theory]
    [InlineData(Failover.Ask)]
    [InlineData(Failover.Never)]
    public void Suspend_IsNoLoss(string policy)
    {
        var walk = new Walk().Created(failover: policy);
        var task = walk.Running();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Finish("interrupted");
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal((TaskState.Queued, SessionStatus.Suspended), (walk.Task(task).Status, walk.State.View.Status));
        Assert.Empty(walk.State.Permissions);
    }

    [Fact]
    public void Ask_HasNoLimitButThePerson()
    {
        var (walk, task) = Cut(Failover.Ask);
        for (var cut = 2; cut <= 6; cut++)
        {
            walk.Answer(walk.State.Permissions[0].View.Id, "ann", command: $"cmd-{cut}");
            walk.Attach();
            walk.Say("run.started", new { conversation_id = "c1" });
            walk.Take(SessionMachine.Lost(walk.State, walk.State.View.Epoch, "oom", "It went out of memory.", walk.Context));
            Assert.Equal(TaskState.WaitingForFailover, walk.Task(task).Status);
        }
    }

    [Theory]
    [InlineData(Failover.Ask, TaskState.WaitingForFailover)]
    [InlineData(Failover.Never, TaskState.Failed)]
    public void LossWhileItIsBeingSuspended_IsALoss(string policy, TaskState expected)
    {
        var walk = new Walk().Created(failover: policy);
        var task = walk.Running();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Take(SessionMachine.Lost(walk.State, 1, "oom", "It went out of memory.", walk.Context));
        Assert.Equal((expected, SessionStatus.Suspended), (walk.Task(task).Status, walk.State.View.Status));
    }

    [Fact]
    public void Policy_MayChange_AndNothingIsRememberedOfAnAnswer()
    {
        var (walk, _) = Cut(Failover.Ask);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => walk.Answer(walk.State.Permissions[0].View.Id, "ann", remember: "session")).Code);
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { FailoverPolicy = Failover.AtOnce }, walk.Context));
        Assert.Equal(Failover.AtOnce, walk.State.View.FailoverPolicy);
        var before = walk.Log.Count;
        walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { FailoverPolicy = Failover.AtOnce }, walk.Context));
        Assert.Equal(before, walk.Log.Count);
    }

    [Fact]
    public void AgentCannotAskInTheSessionsName()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Say("permission.request", new { request_id = "r", tool = "Bash", category = "failover", input = new { } });
        Assert.Equal("other", Assert.Single(walk.State.Permissions).View.Category);
    }

    private static (Walk Walk, string Task) Cut(string? policy)
    {
        var walk = new Walk().Created(failover: policy);
        var task = walk.Running();
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
        walk.Say("checkpoint.created", new { workspace = "snap_1", home = "snap_1h", reason = "interval", conversation_id = "c1", files = 1, bytes = 1, bytes_stored = 1, took_ms = 1 });
        walk.Take(SessionMachine.Lost(walk.State, 1, "oom", "It went out of memory.", walk.Context));
        return (walk, task);
    }
}
