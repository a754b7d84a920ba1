using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Machines.Tests;

public sealed class CheckpointTests
{
    [Fact]
    public void Checkpoint_IsTheRecoveryPoint_AndTheNewestCounts()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Finish();
        Keep(walk, "snap_1");
        walk.Pass(TimeSpan.FromMinutes(1));
        Keep(walk, "snap_2", "stop");
        var point = walk.State.View.RecoveryPoint!;
        Assert.Equal(("snap_2", "snap_2h", "stop", "c1"), (point.Workspace, point.Home, point.Reason, point.ConversationId));
        Assert.Equal((walk.Log[^1].Seq, walk.Now), (point.Seq, point.At));
        Assert.Equal("checkpoint.created", walk.Log[^1].Type);
    }

    [Theory]
    [InlineData("new")]
    [InlineData("kept")]
    [InlineData("restored")]
    [InlineData("lost")]
    public void Ready_SaysWhoWroteLast_AndOutlivesTheRunner(string source)
    {
        var walk = new Walk().Created();
        walk.Running();
        Assert.Equal(0, walk.State.WorkspaceEpoch);
        walk.Say("workspace.ready", new { source, took_ms = 1 });
        Assert.Equal(1, walk.State.WorkspaceEpoch);
        walk.Take(SessionMachine.Lost(walk.State, 1, "killed", null, walk.Context));
        walk.Attach();
        // The next one is connected and has not touched a folder yet: what the first one wrote is the newest still.
        Assert.Equal((2, 1), (walk.State.View.Epoch, walk.State.WorkspaceEpoch));
    }

    [Theory]
    [InlineData("workspace.ready", "{\"source\":\"borrowed\"}")]
    [InlineData("workspace.ready", "{}")]
    [InlineData("checkpoint.created", "{\"workspace\":\"snap_1\"}")]
    [InlineData("checkpoint.created", "[]")]
    [InlineData("checkpoint.created", "null")]
    public void Report_ThatSaysNothing_ChangesNothingAndKeepsItsNumber(string type, string payload)
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.SayRaw(type, System.Text.Encoding.UTF8.GetBytes(payload));
        Assert.Equal("log", walk.Log[^1].Type);
        Assert.Equal(walk.NextNumber - 1, walk.State.Acked);
        Assert.Null(walk.State.View.RecoveryPoint);
    }

    [Fact]
    public void Stop_WaitsForARunnerThatShowsLife_AndNotForEver()
    {
        var walk = new Walk().Created();
        walk.Submit();
        walk.Attach();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        var stopped = 0;
        for (var step = 0; step < 100 && walk.State.View.Status != SessionStatus.Suspended; step++, stopped++)
        {
            walk.Pass(TimeSpan.FromSeconds(20));
            walk.Say("checkpoint.progress", new { files = step });
            walk.Tick();
        }

        Assert.InRange(stopped, 25, 40);
    }

    [Fact]
    public void Stop_OfASilentRunner_EndsWithTheGrace()
    {
        var walk = new Walk().Created();
        walk.Submit();
        walk.Attach();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Pass(TimeSpan.FromSeconds(31));
        walk.Tick();
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
    }

    [Fact]
    public void Move_OfALiveSession_StoresEverythingAndGoesOnThere()
    {
        var walk = Working();
        Change(walk, "docker");
        Assert.Equal("session.suspending", walk.Log[^1].Type);
        Assert.Throws<MarionetteException>(() => Change(walk, "process"));
        walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 1 });
        Keep(walk, "snap_9", "stop");
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Contains(walk.Log, e => e.Type == "session.moved");
        Assert.Equal(("docker", SessionStatus.Resuming, 2L), (walk.State.View.Provider, walk.State.View.Status, walk.State.View.Epoch));
        Assert.Equal("docker", Read<RunnerAssigned>(walk).Provider);
        Assert.Null(walk.State.Move);
    }

    [Fact]
    public void Move_WithoutALastCheckpoint_StaysAndSaysWhy()
    {
        var walk = Working();
        Keep(walk, "snap_1");
        Change(walk, "docker");
        walk.Pass(TimeSpan.FromMinutes(20));
        walk.Tick();
        Assert.NotNull(Read<SessionMoved>(walk).Stays);
        Assert.Equal("process", Read<RunnerAssigned>(walk).Provider);
        Assert.Null(walk.State.View.Provider);
        walk.Tick();
        Assert.Single(walk.Log, e => e.Type == "session.moved");
    }

    [Fact]
    public void Move_WithACheckpointThatWasUnderWay_Stays()
    {
        var walk = Working();
        Change(walk, "docker");
        Keep(walk, "snap_1", "interval");
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.NotNull(Read<SessionMoved>(walk).Stays);
        Assert.Equal("process", Read<RunnerAssigned>(walk).Provider);
    }

    [Fact]
    public void Move_WithTheStopOfAnOlderRunner_IsRefused()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_1", "stop");
        walk.Say("runner.stopped", new { reason = "suspend" });
        walk.Submit();
        walk.Attach();
        walk.Say("workspace.ready", new { source = "kept", took_ms = 1 });
        walk.Say("run.started", new { });
        walk.Finish();
        walk.Take(SessionMachine.Lost(walk.State, 2, "host_lost", null, walk.Context));
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    [Theory]
    [InlineData("restored", "c1")]
    [InlineData("lost", null)]
    [InlineData("kept", "c2")]
    public void Conversation_IsTheOneThatTheHomeHolds(string source, string? expected)
    {
        var walk = Working();
        Keep(walk, "snap_1");
        walk.Say("run.finished", new { outcome = "completed", result = "x", duration_ms = 1, conversation_id = "c2" });
        Assert.Equal("c2", walk.State.View.ConversationId);
        walk.Say("workspace.ready", new { source, took_ms = 1 });
        Assert.Equal(expected, walk.State.View.ConversationId);
    }

    [Fact]
    public void Stop_DoesNotHangOnTheRunnersClock()
    {
        var walk = new Walk().Created();
        walk.Submit();
        walk.Attach();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Pass(TimeSpan.FromSeconds(20));
        var late = new OutputEvent("checkpoint.progress", null, walk.Now.AddHours(-1).ToUnixTimeMilliseconds(), "{}"u8.ToArray());
        walk.Take(SessionMachine.Append(walk.State, new RunnerOutput(walk.State.View.Epoch, walk.NextNumber++, [late]), walk.Context));
        walk.Pass(TimeSpan.FromSeconds(20));
        walk.Tick();
        Assert.Equal(StopIntent.Suspend, walk.State.Stop);
    }

    [Fact]
    public void Move_ToWhereItIs_IsNothing()
    {
        var walk = Working();
        var before = walk.Log.Count;
        Change(walk, "process");
        Assert.Equal(before, walk.Log.Count);
    }

    [Fact]
    public void Move_OfASuspendedSession_WantsACheckpointOfItsStop()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_1");
        walk.Take(SessionMachine.Lost(walk.State, 1, "host_lost", null, walk.Context));
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    [Fact]
    public void Move_OfASessionThatNeverRan_IsAtOnce()
    {
        var walk = new Walk().Created();
        Change(walk, "docker");
        Assert.Equal(("docker", SessionStatus.Pending), (walk.State.View.Provider, walk.State.View.Status));
    }

    [Fact]
    public void Move_WhereNoCheckpointsAreKept_IsRefused()
    {
        var walk = new Walk().Created();
        walk.Running();
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    private static Walk Working()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
        return walk;
    }

    private static void Change(Walk walk, string provider) => walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { Provider = provider }, walk.Context));

    private static T Read<T>(Walk walk) where T : Fact => walk.Log.Select(e => FactCodec.Read(e.Type, e.Payload)).OfType<T>().Last();

    private static void Keep(Walk walk, string snapshot, string reason = "run") => walk.Say("checkpoint.created", new
    {
        workspace = snapshot, home = snapshot + "h", reason, conversation_id = "c1", files = 3, bytes = 10, bytes_stored = 5, took_ms = 2,
    });
}
