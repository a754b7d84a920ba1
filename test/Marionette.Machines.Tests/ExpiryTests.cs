using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>A session's time to live: it warns, it can be extended, and its end loses nothing.</summary>
public sealed class ExpiryTests
{
    private const int Day = 24 * 3600;

    [Fact]
    public void Warnings_ComeADayAnHourAndTenMinutesBefore()
    {
        var walk = new Walk().Created(ttl: 3 * Day);
        var end = walk.Now.AddDays(3);
        Assert.Equal(end, walk.State.View.ExpiresAt);
        var heard = new List<TimeSpan>();
        while (!walk.State.IsClosed)
        {
            var next = SessionMachine.NextDeadline(walk.State, Walk.Timings)!.Value;
            walk.Pass(next - walk.Now);
            walk.Tick();
            heard.Add(end - walk.Now);
        }

        Assert.Equal([TimeSpan.FromDays(1), TimeSpan.FromHours(1), TimeSpan.FromMinutes(10), TimeSpan.Zero], heard);
        Assert.Equal([Day, 3600, 600], Warnings(walk));
        Assert.Equal((SessionStatus.Terminated, "Its time to live is over."), (walk.State.View.Status, walk.State.View.Reason));
        Assert.Null(SessionMachine.NextDeadline(walk.State, Walk.Timings));
    }

    [Theory]
    [InlineData(7200, new[] { 3600, 600 })]
    [InlineData(3600, new[] { 600 })]
    [InlineData(60, new int[0])]
    public void ShortLife_HearsOnlyWhatLiesWithinIt(int ttl, int[] expected)
    {
        var walk = new Walk().Created(ttl: ttl);
        for (var i = 0; i < ttl; i += 30)
        {
            walk.Pass(TimeSpan.FromSeconds(30));
            walk.Tick();
        }

        Assert.Equal(expected, Warnings(walk));
        Assert.True(walk.State.IsClosed);
    }

    [Fact]
    public void OneThatSlept_HearsTheLastWarningOnly()
    {
        var walk = new Walk().Created(ttl: 3 * Day);
        walk.Pass(TimeSpan.FromSeconds((3 * Day) - 300));
        walk.Tick();
        walk.Tick();
        Assert.Equal([600], Warnings(walk));
    }

    [Fact]
    public void Extension_CountsFromItsEnd_AndOnce_AndWarnsAgain()
    {
        var walk = new Walk().Created(ttl: 3600);
        var end = walk.Now.AddHours(1);
        walk.Pass(TimeSpan.FromMinutes(55));
        walk.Tick();
        Assert.Equal([600], Warnings(walk));
        Extend(walk, "cmd-1", 3600);
        Extend(walk, "cmd-1", 3600);
        Assert.Equal(end.AddHours(1), walk.State.View.ExpiresAt);
        Assert.Single(walk.Log, e => e.Type == "session.extended");
        walk.Pass(TimeSpan.FromMinutes(56));
        walk.Tick();
        Assert.Equal([600, 600], Warnings(walk));
        walk.Restart();
        Extend(walk, "cmd-1", 3600);
        Assert.Equal(end.AddHours(1), walk.State.View.ExpiresAt);
        Extend(walk, "cmd-2", 60);
        Extend(walk, "cmd-1", 3600);
        Assert.Equal(end.AddHours(1).AddSeconds(60), walk.State.View.ExpiresAt);
    }

    [Fact]
    public void Extension_MayTakeTheEndAway_OrSetOne()
    {
        var walk = new Walk().Created(ttl: 3600);
        walk.Take(SessionMachine.Extend(walk.State, new ExtendSession("cmd-1", "ann", null, null, true), walk.Context));
        Assert.Null(walk.State.View.ExpiresAt);
        Assert.Null(SessionMachine.NextDeadline(walk.State, Walk.Timings));
        var until = walk.Now.AddDays(2);
        walk.Take(SessionMachine.Extend(walk.State, new ExtendSession("cmd-2", "ann", null, until, false), walk.Context));
        Assert.Equal(until, walk.State.View.ExpiresAt);
        walk.Pass(TimeSpan.FromMinutes(1));
        foreach (var wrong in new[] { walk.Now, walk.Now.AddDays(366) })
            Assert.Equal("expires_at", Assert.Single(Assert.Throws<MarionetteException>(
                () => SessionMachine.Extend(walk.State, new ExtendSession("cmd-3", "ann", null, wrong, false), walk.Context)).Errors).Field);
    }

    [Fact]
    public void End_OfAWorkingSession_StoresItsFilesFirst()
    {
        var walk = Working(1800);
        var task = walk.State.Current!.View.Id;
        walk.Pass(TimeSpan.FromMinutes(30));
        walk.Tick();
        Assert.Equal((StopIntent.Suspend, SessionStatus.Active), (walk.State.Stop, walk.State.View.Status));
        walk.Finish("interrupted");
        Stored(walk);
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal((SessionStatus.Terminated, "Its time to live is over."), (walk.State.View.Status, walk.State.View.Reason));
        Assert.Equal("snap_1", walk.State.View.RecoveryPoint!.Workspace);
        Assert.Equal("session_terminated", walk.Task(task).Error!.Code);
    }

    [Fact]
    public void End_WithoutALastCheckpoint_IsPutOffByADay_AndSaysSo()
    {
        var walk = Working(1800);
        walk.Pass(TimeSpan.FromMinutes(30));
        walk.Tick();
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Suspended, walk.State.View.Status);
        Assert.Equal(walk.Now.AddDays(1), walk.State.View.ExpiresAt);
        Assert.Contains(walk.Log, e => e.Type == "session.extended" && Text(e).Contains("no checkpoint", StringComparison.Ordinal));
        // Whoever resumes it has its files stored; then it ends.
        walk.Take(SessionMachine.Resume(walk.State, "asked", walk.Context));
        walk.Attach();
        walk.Say("workspace.ready", new { source = "kept", took_ms = 1 });
        walk.Pass(TimeSpan.FromDays(1));
        walk.Tick();
        Stored(walk);
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Terminated, walk.State.View.Status);
    }

    [Fact]
    public void End_OfASuspendedSession_IsAtOnce_AndOneWhoseRunnerIsOnItsWayNeedsNone()
    {
        var walk = Working(1800);
        walk.Finish();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context));
        Stored(walk);
        walk.Say("runner.stopped", new { reason = "suspend" });
        walk.Pass(TimeSpan.FromMinutes(20));
        walk.Tick();
        walk.Take(SessionMachine.Resume(walk.State, "asked", walk.Context));
        walk.Pass(TimeSpan.FromMinutes(10));
        walk.Tick();
        Assert.Equal(SessionStatus.Terminated, walk.State.View.Status);
        Assert.Null(walk.State.View.RunnerId);
    }

    [Fact]
    public void End_OfAPausedSession_GivesItsRunnerBack_SinceItsFilesAreStored()
    {
        var walk = Working(1800);
        walk.Finish();
        walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context, SuspendStrategies.Pause));
        walk.Say("checkpoint.created", new { workspace = "snap_1", home = "snap_1h", reason = "pause", files = 1, bytes = 1, bytes_stored = 1, took_ms = 1 });
        walk.Say("runner.settled", new { });
        walk.Take(SessionMachine.Frozen(walk.State, walk.State.View.Epoch, null, walk.Context));
        Assert.NotNull(walk.State.View.PausedAt);
        walk.Pass(TimeSpan.FromMinutes(30));
        walk.Tick();
        Assert.Equal(SessionStatus.Terminated, walk.State.View.Status);
        Assert.Single(walk.Log, e => e.Type == "runner.released");
    }

    [Fact]
    public void Extension_WhileItIsOnItsWayOut_BringsItsWorkBack()
    {
        var walk = Working(1800);
        var task = walk.State.Current!.View.Id;
        walk.Pass(TimeSpan.FromMinutes(30));
        walk.Tick();
        Extend(walk, "cmd-1", 3600);
        walk.Finish("interrupted");
        Stored(walk);
        walk.Say("runner.stopped", new { reason = "suspend" });
        Assert.Equal(SessionStatus.Resuming, walk.State.View.Status);
        walk.Attach();
        Assert.Equal(TaskState.Running, walk.Task(task).Status);
    }

    private static Walk Working(int ttl)
    {
        var walk = new Walk().Created(ttl: ttl);
        walk.Running();
        walk.Say("workspace.ready", new { source = "new", took_ms = 1 });
        return walk;
    }

    private static void Stored(Walk walk) =>
        walk.Say("checkpoint.created", new { workspace = "snap_1", home = "snap_1h", reason = "stop", files = 1, bytes = 1, bytes_stored = 1, took_ms = 1 });

    private static void Extend(Walk walk, string command, int seconds) =>
        walk.Take(SessionMachine.Extend(walk.State, new ExtendSession(command, "ann", seconds, null, false), walk.Context));

    private static IEnumerable<int> Warnings(Walk walk) =>
        walk.Log.Where(e => e.Type == "session.expiring").Select(e => ((SessionExpiring)FactCodec.Read(e.Type, e.Payload)).Left);

    private static string Text(LoggedEvent e) => System.Text.Encoding.UTF8.GetString(e.Payload);
}
