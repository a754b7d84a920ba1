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

    [Fact]
    public void Ready_SaysWhoWroteLast_AndOutlivesTheRunner()
    {
        var walk = new Walk().Created();
        walk.Running();
        Assert.Equal(0, walk.State.WorkspaceEpoch);
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
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

    private static void Keep(Walk walk, string snapshot, string reason = "run") => walk.Say("checkpoint.created", new
    {
        workspace = snapshot, home = snapshot + "h", reason, conversation_id = "c1", files = 3, bytes = 10, bytes_stored = 5, took_ms = 2,
    });
}
