using System.Text.Json;
using System.Text.Json.Nodes;
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

    [Theory]
    // What is said behind the run's end, and whether all that runs wrote is stored. Nothing (null): as an older agent leaves it.
    [InlineData("run", true, true, true)]
    [InlineData("run", true, false, false)]
    [InlineData("run", true, null, false)]
    [InlineData("run", false, true, false)]
    [InlineData("interval", false, true, false)]
    [InlineData("stop", false, true, true)]
    [InlineData("stop", true, false, false)]
    [InlineData("stop", true, null, false)]
    [InlineData(null, false, false, false)]
    public async Task Stored_IsWhatACompleteCheckpointBehindTheLastRunHas(string? reason, bool quiet, bool? complete, bool isStored)
    {
        var walk = Working();
        walk.Finish();
        if (reason is not null) Keep(walk, "snap_1", reason, quiet, complete);
        walk.Take(SessionMachine.Terminate(walk.State, "done", walk.Context));
        Assert.Equal(isStored, SessionMachine.IsStored(walk.State));
        Assert.Equal(isStored, SessionMachine.IsStored(walk.Refolded()));
        Assert.Equal(isStored, SessionMachine.IsStored(await walk.ReloadedAsync()));
        Assert.Equal(isStored, SessionMachine.IsStored(SessionRows.FilesOf(walk.Rows[$"session:t/{walk.State.View.Id}"])));
    }

    [Fact]
    public void Stored_IsNothingOfARunThatTheEndCutOff()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_1", "run", quiet: true, complete: true);
        Assert.True(SessionMachine.IsStored(walk.State));
        walk.Submit();
        walk.Say("run.started", new { });
        walk.Take(SessionMachine.Terminate(walk.State, "enough", walk.Context));
        Assert.False(SessionMachine.IsStored(walk.State));
    }

    [Fact]
    public void Stored_IsNothing_WithoutACheckpoint_ThoughNothingRan()
    {
        var walk = new Walk().Created();
        walk.Take(SessionMachine.Terminate(walk.State, "done", walk.Context));
        Assert.Equal(0, walk.State.RunSeq);
        Assert.False(SessionMachine.IsStored(walk.State));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Stored_IsWhatTheOneBeforeLeft_UntilAnotherRunnerOpensTheFiles(bool opens)
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_1", "run", quiet: true, complete: true);
        walk.Take(SessionMachine.Lost(walk.State, 1, "killed", null, walk.Context));
        walk.Take(SessionMachine.Resume(walk.State, "asked", walk.Context));
        walk.Attach();
        // It ran nothing, but somebody may have worked in it.
        if (opens) walk.Say("workspace.ready", new { source = "kept", took_ms = 1 });
        walk.Take(SessionMachine.Terminate(walk.State, "done", walk.Context));
        Assert.Equal(!opens, SessionMachine.IsStored(walk.State));
    }

    [Fact]
    public void Stored_OfARowFromBefore_IsWhatAStopHas()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_1", "run", quiet: true, complete: true);
        var row = JsonNode.Parse(walk.Rows[$"session:t/{walk.State.View.Id}"])!;
        row["checkpoint"]!.AsObject().Remove("run_seq");
        Assert.False(SessionMachine.IsStored(SessionRows.FilesOf(JsonSerializer.SerializeToUtf8Bytes(row))));
        Keep(walk, "snap_2", "stop", complete: true);
        row = JsonNode.Parse(walk.Rows[$"session:t/{walk.State.View.Id}"])!;
        row["checkpoint"]!.AsObject().Remove("run_seq");
        Assert.True(SessionMachine.IsStored(SessionRows.FilesOf(JsonSerializer.SerializeToUtf8Bytes(row))));
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

    [Fact]
    public void Origin_IsWhatTheFirstRunnerBeginsWith_AndItsConversationGoesOn()
    {
        var walk = new Walk();
        var origin = new SessionOrigin("snap_1", "snap_1h", 3, 10) { SessionId = "sess_0000000000000009", Seq = 7, ConversationId = "c9" };
        walk.Take(SessionMachine.Create(walk.State, "sess_0000000000000001", "ws_0000000000000001", Walk.Command(null) with { Origin = origin }, walk.Context));
        var view = walk.State.View;
        Assert.Equal(("snap_1", "snap_1h", "origin", "c9"), (view.RecoveryPoint!.Workspace, view.RecoveryPoint.Home, view.RecoveryPoint.Reason, view.ConversationId));
        Assert.Equal((origin, 0L), (view.Origin, walk.State.WorkspaceEpoch));
        // Lost before its own first checkpoint: it begins once more.
        walk.Running();
        walk.Say("workspace.ready", new { source = "restored", took_ms = 1 });
        walk.Take(SessionMachine.Lost(walk.State, 1, "killed", null, walk.Context));
        Assert.Equal(("snap_1", 1L), (walk.State.View.RecoveryPoint!.Workspace, walk.State.WorkspaceEpoch));
    }

    [Fact]
    public void Restore_MakesEveryOlderFolderOutOfDate()
    {
        var walk = Suspended();
        var point = Point(walk, "snap_1", seq: 4);
        walk.Take(SessionMachine.Restore(walk.State, point, "ann", false, walk.Context));
        var view = walk.State.View;
        Assert.Equal(("snap_1", "restore", 4L, "c1"), (view.RecoveryPoint!.Workspace, view.RecoveryPoint.Reason, view.RecoveryPoint.Seq, view.ConversationId));
        Assert.Equal(view.Epoch + 1, walk.State.WorkspaceEpoch);
        var before = walk.Log.Count;
        walk.Take(SessionMachine.Restore(walk.State, point, "ann", false, walk.Context));
        Assert.Equal(before, walk.Log.Count);
        // What a runner that began with it stores is newer.
        walk.Submit();
        walk.Attach();
        walk.Say("workspace.ready", new { source = "restored", took_ms = 1 });
        Keep(walk, "snap_5");
        Assert.Equal(("snap_5", view.Epoch + 1), (walk.State.View.RecoveryPoint!.Workspace, walk.State.WorkspaceEpoch));
    }

    [Fact]
    public void Restore_ThenAnother_TheLastOneCounts()
    {
        var walk = Suspended();
        walk.Take(SessionMachine.Restore(walk.State, Point(walk, "snap_1", 4), "ann", false, walk.Context));
        walk.Take(SessionMachine.Restore(walk.State, Point(walk, "snap_2", 5), "ann", false, walk.Context));
        Assert.Equal("snap_2", walk.State.View.RecoveryPoint!.Workspace);
        // Everything is in the store: it may move at once.
        Change(walk, "docker");
        Assert.Equal("docker", walk.State.View.Provider);
    }

    [Fact]
    public void Restore_OverWhatNoCheckpointHas_IsRefused_UnlessItMayBeLost()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_9");
        walk.Take(SessionMachine.Lost(walk.State, 1, "host_lost", null, walk.Context));
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => SessionMachine.Restore(walk.State, Point(walk, "snap_1", 4), "ann", false, walk.Context)).Code);
        walk.Take(SessionMachine.Restore(walk.State, Point(walk, "snap_1", 4), "ann", true, walk.Context));
        Assert.Equal("snap_1", walk.State.View.RecoveryPoint!.Workspace);
        // Once a runner has begun with it, it is no longer everything.
        walk.Submit();
        walk.Attach();
        walk.Say("workspace.ready", new { source = "restored", took_ms = 1 });
        walk.Say("run.started", new { });
        walk.Finish();
        walk.Take(SessionMachine.Lost(walk.State, 2, "host_lost", null, walk.Context));
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => Change(walk, "docker")).Code);
    }

    [Fact]
    public void Restore_BesideARunner_IsRefused()
    {
        var walk = Working();
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => SessionMachine.Restore(walk.State, Point(walk, "snap_1", 4), "ann", false, walk.Context)).Code);
        walk.Take(SessionMachine.Terminate(walk.State, "done", walk.Context));
        Assert.Equal(FaultCode.SessionClosed, Assert.Throws<MarionetteException>(() => SessionMachine.Restore(walk.State, Point(walk, "snap_1", 4), "ann", false, walk.Context)).Code);
    }

    [Fact]
    public void Checkpoint_HasARow_WithTheSameIdEachTime()
    {
        var walk = Working();
        var decision = SessionMachine.Append(walk.State, new RunnerOutput(walk.State.View.Epoch, walk.NextNumber, [new OutputEvent(
            "checkpoint.created", null, walk.Now.ToUnixTimeMilliseconds(), """{"workspace":"snap_1","home":"snap_1h","reason":"run","files":1,"bytes":2,"bytes_stored":3,"took_ms":4}"""u8.ToArray())]), walk.Context);
        var row = Assert.Single(SessionRows.Of("acme", decision), row => row.Type == "checkpoint");
        var view = SessionRows.Checkpoint(row.Json);
        Assert.Equal((walk.State.View.Id, decision.State.Seq, "snap_1", "snap_1h", 3L), (view.SessionId, view.Seq, view.Workspace, view.Home, view.BytesStored));
        Assert.True(EntityId.Is(EntityId.Checkpoint, view.Id));
        Assert.Equal(row.Key, Assert.Single(SessionRows.Of("acme", decision), again => again.Type == "checkpoint").Key);
    }

    private static Walk Suspended()
    {
        var walk = Working();
        walk.Finish();
        Keep(walk, "snap_9", "stop");
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        return walk;
    }

    private static CheckpointView Point(Walk walk, string snapshot, long seq) => new()
    {
        Id = EntityId.Derived(EntityId.Checkpoint, walk.Now, $"{seq}"), SessionId = walk.State.View.Id, CreatedAt = walk.Now, Seq = seq, Epoch = 1, Reason = "run",
        Workspace = snapshot, Home = snapshot + "h", ConversationId = "c1", Files = 3, Bytes = 10,
    };

    private static Walk Working()
    {
        var walk = new Walk().Created();
        walk.Running();
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
        return walk;
    }

    private static void Change(Walk walk, string provider) => walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { Provider = provider }, walk.Context));

    private static T Read<T>(Walk walk) where T : Fact => walk.Log.Select(e => FactCodec.Read(e.Type, e.Payload)).OfType<T>().Last();

    private static void Keep(Walk walk, string snapshot, string reason = "run", bool quiet = false, bool? complete = null)
    {
        var said = JsonSerializer.SerializeToNode(new
        {
            workspace = snapshot, home = snapshot + "h", reason, conversation_id = "c1", files = 3, bytes = 10, bytes_stored = 5, took_ms = 2, quiet,
        })!.AsObject();
        if (complete is not null) said["complete"] = complete;
        walk.Say("checkpoint.created", said);
    }
}
