using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>A session that is suspended with its runner kept.</summary>
public sealed class PauseTests
{
    [Fact]
    public void Pause_StoresACheckpoint_ThenFreezes_AndTheSameRunnerGoesOn()
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        Assert.Equal(["session.suspending"], Since(walk, "session.suspending"));
        Assert.IsType<PauseCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Keep(walk, "snap_1");
        walk.Say("runner.settled", new { reason = "suspend" });
        Assert.Equal(["session.suspending", "checkpoint.created", "runner.pausing"], Since(walk, "session.suspending"));
        Assert.Empty(PendingCommands.Of(walk.State, 0));
        Assert.Equal((SessionStatus.Active, StopIntent.Suspend), (walk.State.View.Status, walk.State.Stop));

        Frozen(walk);
        var view = walk.State.View;
        Assert.Equal(["runner.paused", "session.suspended"], Since(walk, "runner.paused"));
        Assert.Equal((SessionStatus.Suspended, "paused", walk.Now, 1L), (view.Status, view.Phase, view.PausedAt, view.Epoch));
        Assert.NotNull(view.RunnerId);
        Assert.Equal("asked", view.Reason);

        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        Assert.Equal(["session.resuming", "runner.unpausing"], Since(walk, "session.resuming"));
        Assert.Equal((SessionStatus.Resuming, view.RunnerId, 1L, null), (walk.State.View.Status, walk.State.View.RunnerId, walk.State.View.Epoch, walk.State.View.PausedAt));
        walk.Attach();
        Assert.Equal((SessionStatus.Active, view.RunnerId, 1L), (walk.State.View.Status, walk.State.View.RunnerId, walk.State.View.Epoch));
        Assert.Null(walk.State.Pause);
        // Its numbers go on where they were: the counter is the runner's, not the stream's.
        walk.Say("text", new { text = "still here" });
        Assert.Equal(walk.NextNumber - 1, walk.State.Acked);
    }

    [Fact]
    public void Strategy_IsTheSessions_WhereNobodySays()
    {
        var walk = Working(SuspendStrategies.Pause, idle: 60);
        Assert.Equal(SuspendStrategies.Pause, walk.State.View.SuspendStrategy);
        walk.Finish();
        walk.Pass(TimeSpan.FromSeconds(61));
        walk.Tick();
        Assert.IsType<PauseCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));

        var other = Working(SuspendStrategies.Pause);
        other.Finish();
        Suspend(other, SuspendStrategies.Release);
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(other.State, 0)));
    }

    [Fact]
    public void Strategy_MayChange_WhereItsProviderCan()
    {
        var walk = Working();
        walk.Finish();
        Change(walk, new ChangeSession("ann") { SuspendStrategy = SuspendStrategies.Pause });
        Assert.Equal(SuspendStrategies.Pause, walk.State.View.SuspendStrategy);
        var before = walk.Log.Count;
        Change(walk, new ChangeSession("ann") { SuspendStrategy = SuspendStrategies.Pause });
        Assert.Equal(before, walk.Log.Count);
        Suspend(walk, null);
        Assert.IsType<PauseCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));

        var other = new Walk().Created();
        var cannot = other.Context with { CanPause = false };
        var refusal = Assert.Throws<MarionetteException>(() => SessionMachine.Change(other.State, new ChangeSession("ann") { SuspendStrategy = SuspendStrategies.Pause }, cannot));
        Assert.Equal("suspend_strategy", Assert.Single(refusal.Errors).Field);
        // Where it moves to is another matter: that provider is asked when it is suspended there.
        other.Take(SessionMachine.Change(other.State, new ChangeSession("ann") { SuspendStrategy = SuspendStrategies.Pause, Provider = "docker" }, cannot));
        Assert.Equal(SuspendStrategies.Pause, other.State.View.SuspendStrategy);
    }

    private static void Change(Walk walk, ChangeSession change) => walk.Take(SessionMachine.Change(walk.State, change, walk.Context));

    [Fact]
    public void RunUnderWay_IsInterrupted_AndGoesOnAsItsNextAttempt()
    {
        var walk = Working();
        var task = walk.State.Current!.View.Id;
        Suspend(walk, SuspendStrategies.Pause);
        walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 1 });
        Keep(walk, "snap_2");
        walk.Say("runner.settled", new { reason = "suspend" });
        Frozen(walk);
        // It waits: only a resume, or new work, brings a suspended session back.
        Assert.Equal((SessionStatus.Suspended, TaskState.Queued), (walk.State.View.Status, walk.Task(task).Status));
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        walk.Attach();
        var start = Assert.IsType<StartRunCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal((task, 2, true, "c1"), (start.TaskId, start.Attempt, start.Continuation, walk.State.View.ConversationId));
    }

    /// <summary>A run that the agent was given and had not begun is forgotten there, and so it is here.</summary>
    [Fact]
    public void RunThatWasNotBegun_IsOrderedAgain()
    {
        var walk = new Walk().Created();
        var task = walk.Submit();
        walk.Attach();
        Suspend(walk, SuspendStrategies.Pause);
        walk.Say("runner.settled", new { reason = "suspend" });
        Assert.Null(walk.State.Current);
        Frozen(walk);
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        walk.Attach();
        Assert.Equal((task, 2), (walk.State.Current!.View.Id, walk.State.Current.View.Runs[^1].Attempt));
    }

    [Fact]
    public void Task_ThatComesWhileItIsPaused_BringsItBack()
    {
        var walk = Paused();
        walk.Submit();
        Assert.Equal(["runner.unpausing"], Since(walk, "runner.unpausing"));
        walk.Attach();
        Assert.NotNull(walk.State.Current);
        Assert.Equal(1, walk.State.View.Epoch);
    }

    [Fact]
    public void Task_ThatComesWhileItIsBeingPaused_BringsItBackOnceItIs()
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        walk.Submit();
        Keep(walk, "snap_2");
        walk.Say("runner.settled", new { reason = "suspend" });
        Assert.Null(walk.State.Current);
        Frozen(walk);
        Assert.Equal(["runner.paused", "session.suspended", "session.resuming", "runner.unpausing"], Since(walk, "runner.paused"));
    }

    [Fact]
    public void Refusal_OfTheBackend_FallsBackToStopAndRelease()
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        Keep(walk, "snap_2");
        walk.Say("runner.settled", new { reason = "suspend" });
        walk.Take(SessionMachine.Frozen(walk.State, 1, "The freezer is broken.", walk.Context));
        Assert.Contains("The freezer is broken.", Read<RunnerPauseFailed>(walk).Reason, StringComparison.Ordinal);
        var stop = Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Assert.Equal(walk.State.StopSeq, stop.Number);
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal((SessionStatus.Suspended, null), (walk.State.View.Status, walk.State.View.RunnerId));
        // What comes late changes nothing.
        var before = walk.Log.Count;
        Frozen(walk);
        Assert.Equal(before, walk.Log.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Runner_ThatDoesNotComeToIt_IsStopped_AndThenTakenAway(bool settles)
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        if (settles) Keep(walk, "snap_2");
        if (settles) walk.Say("runner.settled", new { reason = "suspend" });
        walk.Pass(TimeSpan.FromSeconds(31));
        walk.Tick();
        Assert.Contains("in time", Read<RunnerPauseFailed>(walk).Reason, StringComparison.Ordinal);
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        walk.Pass(TimeSpan.FromSeconds(31));
        walk.Tick();
        Assert.Equal((SessionStatus.Suspended, null), (walk.State.View.Status, walk.State.View.RunnerId));
    }

    [Fact]
    public void Provider_ThatCannot_IsSaidSo_WhereItIsAsked_AndFallenBackFrom_WhereItIsNot()
    {
        var walk = Working(SuspendStrategies.Pause);
        walk.Finish();
        walk.CanPause = false;
        var fault = Assert.Throws<MarionetteException>(() => Suspend(walk, SuspendStrategies.Pause));
        Assert.Equal((FaultCode.Invalid, "strategy"), (fault.Code, Assert.Single(fault.Errors).Field));
        Assert.Contains("\"process\"", fault.Message, StringComparison.Ordinal);
        Suspend(walk, null);
        Assert.Equal(["runner.pause_failed", "session.suspending"], Since(walk, "runner.pause_failed"));
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
    }

    [Fact]
    public void Loss_WhileItIsPaused_LeavesItSuspended_AndTheNextRunnerBeginsWithTheCheckpoint()
    {
        var walk = Paused(interrupted: true);
        for (var i = 0; i < 3; i++)
        {
            walk.Take(SessionMachine.Lost(walk.State, walk.State.View.Epoch, "removed", "Somebody removed it.", walk.Context));
            Assert.Equal(("runner.lost", SessionStatus.Suspended, null, null), (walk.Log[^1].Type, walk.State.View.Status, walk.State.View.RunnerId, walk.State.View.PausedAt));
            // Three in a row that stood still are no sign of work that kills runners.
            Assert.NotEmpty(walk.State.Tasks);
            walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
            Assert.Equal(i + 2, walk.State.View.Epoch);
            walk.Attach();
            walk.Say("workspace.ready", new { source = "restored", took_ms = 1 });
            Suspend(walk, SuspendStrategies.Pause);
            Keep(walk, "snap_2");
            walk.Say("runner.settled", new { reason = "suspend" });
            Frozen(walk);
        }

        Assert.Equal("snap_2", walk.State.View.RecoveryPoint!.Workspace);
    }

    [Fact]
    public void Loss_AtTheEndOfThePause_BringsAnotherRunner_AlsoWithoutWork()
    {
        var walk = Paused();
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        walk.Take(SessionMachine.Lost(walk.State, 1, "engine_restarted", "The engine was started anew.", walk.Context));
        Assert.Equal(["runner.lost", "session.resuming", "runner.assigned"], Since(walk, "runner.lost"));
        Assert.Equal((SessionStatus.Resuming, 2L), (walk.State.View.Status, walk.State.View.Epoch));
    }

    [Fact]
    public void Suspend_BeforeTheRunnerIsBack_PausesItOnceItIs()
    {
        var walk = Paused();
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        Suspend(walk, SuspendStrategies.Pause);
        walk.Attach();
        Assert.IsType<PauseCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Keep(walk, "snap_2");
        walk.Say("runner.settled", new { reason = "suspend" });
        Frozen(walk);
        Assert.Equal(("paused", 1L), (walk.State.View.Phase, walk.State.View.Epoch));
    }

    [Fact]
    public void Stream_OfAPausedRunner_IsAskedToComeAgain_AndNeverFenced()
    {
        var walk = Paused();
        Assert.Equal(FaultCode.Unavailable, Assert.Throws<MarionetteException>(walk.Attach).Code);
        SessionMachine.Fence(walk.State, 1);
        // What it said before it stood still may arrive late, and counts.
        walk.Say("text", new { text = "last words" });
        Assert.Equal((SessionStatus.Suspended, walk.NextNumber - 1), (walk.State.View.Status, walk.State.Acked));
    }

    [Fact]
    public void Limit_GivesTheMemoryBack_AndTheSessionStaysSuspended()
    {
        var walk = Paused(interrupted: true);
        Assert.Equal(walk.Now + TimeSpan.FromHours(1), SessionMachine.NextDeadline(walk.State, Walk.Timings));
        walk.Pass(TimeSpan.FromMinutes(59));
        walk.Tick();
        Assert.NotNull(walk.State.View.PausedAt);
        walk.Pass(TimeSpan.FromMinutes(1));
        walk.Tick();
        Assert.Equal(("runner.released", "suspended", null), (walk.Log[^1].Type, walk.State.View.Phase, walk.State.View.RunnerId));
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        Assert.Equal(2, walk.State.View.Epoch);
    }

    [Fact]
    public void Release_OfAPausedSession_GivesItsRunnerBack_AndAnythingElseLeavesIt()
    {
        var walk = Paused();
        var before = walk.Log.Count;
        Suspend(walk, null);
        Suspend(walk, SuspendStrategies.Pause);
        Assert.Equal(before, walk.Log.Count);
        Suspend(walk, SuspendStrategies.Release);
        Assert.Equal(["runner.released"], Since(walk, "runner.released"));
        Assert.Equal("suspended", walk.State.View.Phase);
    }

    [Fact]
    public void Terminate_GivesItBack()
    {
        var walk = Paused();
        walk.Take(SessionMachine.Terminate(walk.State, "done", walk.Context));
        Assert.Equal(["runner.released", "session.terminated"], Since(walk, "runner.released"));
        Assert.Equal((null, null), (walk.State.View.RunnerId, walk.State.View.PausedAt));
        Assert.Null(walk.State.Pause);
    }

    [Fact]
    public void Stop_OfAPausedRunner_ByItself_LeavesTheSessionSuspended()
    {
        var walk = Paused(interrupted: true);
        walk.Say("runner.stopped", new { reason = "signal" });
        Assert.Equal(("runner.released", SessionStatus.Suspended, null), (walk.Log[^1].Type, walk.State.View.Status, walk.State.View.RunnerId));
    }

    [Fact]
    public void Move_OfAPausedSession_IsAtOnce_WithItsCheckpoint()
    {
        var walk = Paused();
        Change(walk, "docker");
        Assert.Equal(["runner.released", "session.moved"], Since(walk, "runner.released"));
        Assert.Equal(("docker", SessionStatus.Suspended), (walk.State.View.Provider, walk.State.View.Status));

    }

    /// <summary>A paused runner dies with its machine: what is not stored would die with it, so it is stopped, which tries again to store it.</summary>
    [Fact]
    public void Runner_WhoseCheckpointCouldNotBeStored_IsNotPaused_ButStopped()
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        walk.Say("runner.settled", new { reason = "suspend" });
        Assert.Contains(walk.Log, e => e.Type == "runner.pause_failed");
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        Frozen(walk);
        Assert.Null(walk.State.View.PausedAt);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Release_WhileAPauseIsUnderWay_HasItGo(bool settled)
    {
        var walk = Working();
        walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        Keep(walk, "snap_1");
        if (settled) walk.Say("runner.settled", new { reason = "suspend" });
        Suspend(walk, SuspendStrategies.Release);
        Assert.IsType<StopCommand>(Assert.Single(PendingCommands.Of(walk.State, 0)));
        // Its programs went on after what was stored: that is not everything any more.
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    /// <summary>The checkpoint has everything until the runner has gone on; from then on it is one like any other.</summary>
    [Fact]
    public void Checkpoint_OfAPause_IsNoLongerEverything_OnceTheRunnerWentOn()
    {
        var walk = Paused();
        walk.Submit();
        walk.Attach();
        walk.Say("run.started", new { });
        walk.Finish();
        walk.Take(SessionMachine.Lost(walk.State, 1, "host_lost", null, walk.Context));
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    [Fact]
    public void Restore_OfAPausedSession_GivesItsRunnerBackFirst()
    {
        var walk = Paused();
        var point = new CheckpointView
        {
            Id = "ckpt_1", SessionId = walk.State.View.Id, CreatedAt = walk.Now, Seq = 3, Epoch = 1, Reason = "run", Workspace = "snap_0", Home = "snap_0h", Files = 1, Bytes = 1,
        };
        walk.Take(SessionMachine.Restore(walk.State, point, "ann", discard: false, walk.Context));
        Assert.Equal(["runner.released", "session.restored"], Since(walk, "runner.released"));
        Assert.Equal(("snap_0", null), (walk.State.View.RecoveryPoint!.Workspace, walk.State.View.RunnerId));
    }

    [Fact]
    public async Task PausedSession_IsTheSame_FromItsRowsAndFromItsLog()
    {
        var walk = Paused();
        Assert.Equal(walk.State.Pause, (await walk.ReloadedAsync()).Pause);
        Assert.Equal(walk.State.Pause, walk.Refolded().Pause);
        walk.Take(SessionMachine.Resume(walk.State, "go on", walk.Context));
        walk.Restart();
        Assert.Equal(PauseStep.Waking, walk.State.Pause!.Step);
        Assert.True((await walk.ReloadedAsync()).AwakeSeq > 0);
        walk.Attach();
        Assert.Equal(SessionStatus.Active, walk.State.View.Status);
    }

    private static Walk Working(string? strategy = null, int? idle = null)
    {
        var walk = new Walk().Created(idle, strategy: strategy);
        walk.Running();
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
        return walk;
    }

    /// <param name="interrupted">A run was under way, and waits.</param>
    private static Walk Paused(bool interrupted = false)
    {
        var walk = Working();
        if (!interrupted) walk.Finish();
        Suspend(walk, SuspendStrategies.Pause);
        if (interrupted) walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 1 });
        Keep(walk, "snap_1");
        walk.Say("runner.settled", new { reason = "suspend" });
        Frozen(walk);
        Assert.Equal("paused", walk.State.View.Phase);
        return walk;
    }

    private static void Suspend(Walk walk, string? strategy) => walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context, strategy));

    private static void Frozen(Walk walk) => walk.Take(SessionMachine.Frozen(walk.State, walk.State.View.Epoch, null, walk.Context));

    private static void Change(Walk walk, string provider) => walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { Provider = provider }, walk.Context));

    private static IEnumerable<string> Since(Walk walk, string type) => walk.Log.Select(e => e.Type).Skip(walk.Log.FindLastIndex(e => e.Type == type));

    private static T Read<T>(Walk walk) where T : Fact => walk.Log.Select(e => FactCodec.Read(e.Type, e.Payload)).OfType<T>().Last();

    private static void Keep(Walk walk, string snapshot) => walk.Say("checkpoint.created", new
    {
        workspace = snapshot, home = snapshot + "h", reason = "pause", conversation_id = "c1", files = 3, bytes = 10, bytes_stored = 5, took_ms = 2,
    });
}
