using Marionette.Agent.Agents;
using Marionette.Agent.Channel;
using Marionette.Agent.Processes;
using Marionette.Agent.Runs;
using Marionette.Agent.Tests.Support;
using Marionette.Agent.Workspaces;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Runs;

public sealed class RunCoordinatorTests
{
    [Fact]
    public async Task Run_HasOneBeginningAndOneEnd()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", "hi"));
        await world.Driver.StartedAsync("trun_1");
        world.Driver.Finish("trun_1", new RunResult
        {
            Outcome = Outcomes.Completed, Result = "ok", Cost = 0.25, Turns = 2, Usage = new TokenUsage(1, 2, 3, 4),
        });
        await world.Harness.WaitForAsync(e => e.Type == "run.finished", "the end");

        Assert.Equal(["run.started", "run.finished"], world.Harness.Types);
        var end = world.Harness.Of("run.finished").Single();
        Assert.Equal("ok", end.GetProperty("result").GetString());
        Assert.Equal(0.25, end.GetProperty("cost_usd").GetDouble());
        Assert.Equal(4, end.GetProperty("usage").GetProperty("cache_write_tokens").GetInt64());
        Assert.Equal("conversation-1", end.GetProperty("conversation_id").GetString());
    }

    [Fact]
    public async Task Runs_ComeOneAfterAnother_AndARepeatedOneIsIgnored()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        world.Send(Commands.Start("trun_1", ""));
        world.Send(Commands.Start("trun_2", ""));
        world.Send(Commands.Start("trun_2", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Driver.Finish("trun_1");
        await world.Driver.StartedAsync("trun_2");
        world.Send(Commands.Start("trun_1", ""));
        world.Driver.Finish("trun_2");
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_2" }, "the end of the second");
        Assert.Equal(
            ["trun_1 run.started", "trun_1 run.finished", "trun_2 run.started", "trun_2 run.finished"],
            world.Harness.Events.Select(e => e.Run + " " + e.Type));
    }

    [Fact]
    public async Task Run_WaitsForItsWorkspace_AndCanBeCanceledMeanwhile()
    {
        await using var world = new World(open: false);
        world.Send(Commands.Start("trun_1", ""));
        world.Send(Commands.Start("trun_2", ""));
        world.Send(new Command { Interrupt = new Interrupt { Run = "trun_1", Outcome = "canceled" } });
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_1" }, "the end of the first");
        Assert.Equal(["run.finished"], world.Harness.Types);
        world.Open();
        await world.Driver.StartedAsync("trun_2");
        world.Driver.Finish("trun_2");
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_2" }, "the end of the second");
    }

    [Theory]
    [InlineData("canceled", "canceled")]
    [InlineData("timed_out", "timed_out")]
    [InlineData("suspended", "interrupted")]
    [InlineData("of the future", "interrupted")]
    public async Task Interrupt_SaysHowTheRunEnds(string asked, string outcome)
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Send(Commands.Interrupt("trun_1", asked));
        world.Send(Commands.Interrupt("trun_1", "canceled")); // the first one counts
        await world.Driver.InterruptedAsync("trun_1");
        world.Driver.Finish("trun_1", RunResult.Failed(ErrorCodes.AgentKilled, "x", new ExitStatus(null, 9)));
        var end = await world.Harness.WaitForAsync(e => e.Type == "run.finished", "the end");
        Assert.Equal(outcome, end.Data.GetProperty("outcome").GetString());
        Assert.False(end.Data.TryGetProperty("error", out _));
        Assert.Equal("SIGKILL", end.Data.GetProperty("exit").GetProperty("signal").GetString());
    }

    [Fact]
    public async Task Interrupt_EndsARunThatStillWaits_WithoutStartingIt()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        world.Send(Commands.Start("trun_2", ""));
        world.Send(Commands.Interrupt("trun_2", "canceled"));
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_2" }, "the end of the waiting one");
        world.Driver.Finish("trun_1");
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_1" }, "the end of the first");
        Assert.Equal(["trun_1"], world.Driver.Started);
    }

    [Fact]
    public async Task FaultOfTheDriver_IsAnEndOfTheRun()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Driver.Fail("trun_1", new ArithmeticException("ours"));
        var end = await world.Harness.WaitForAsync(e => e.Type == "run.finished", "the end");
        Assert.Equal("internal", end.Data.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Stop_InterruptsEndsTheDriverAndSaysSo()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Send(Commands.Stop("released"));
        await world.Driver.InterruptedAsync("trun_1");
        world.Driver.Finish("trun_1");
        Assert.Equal("released", await world.Working.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.Equal(["run.started", "run.finished", "runner.stopped"], world.Harness.Types);
        Assert.Equal("interrupted", world.Harness.Of("run.finished").Single().GetProperty("outcome").GetString());
        var stopped = world.Harness.Events[^1];
        Assert.Equal(("", "released"), (stopped.Run, stopped.Data.GetProperty("reason").GetString()));
        Assert.True(world.Driver.Disposed);
    }

    /// <summary>What runs ends, what waits is forgotten, the agent stays; then it works on as if nothing had been.</summary>
    [Fact]
    public async Task Pause_EndsTheRun_KeepsTheDriver_AndGoesOnWhenItIsToldTo()
    {
        await using var world = new World();
        world.Send(Commands.Start("trun_1", ""));
        world.Send(Commands.Start("trun_2", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Send(Commands.Pause("suspend"));
        await world.Driver.InterruptedAsync("trun_1");
        world.Driver.Finish("trun_1");
        var settled = await world.Harness.WaitForAsync(e => e.Type == "runner.settled", "the word that it may be paused");
        Assert.Equal(("", "suspend"), (settled.Run, settled.Data.GetProperty("reason").GetString()));
        Assert.Equal(["run.started", "run.finished", "runner.settled"], world.Harness.Types);
        Assert.Equal("interrupted", world.Harness.Of("run.finished").Single().GetProperty("outcome").GetString());
        Assert.False(world.Driver.Disposed);

        world.Send(Commands.Start("trun_3", ""));
        await world.Driver.StartedAsync("trun_3");
        world.Driver.Finish("trun_3");
        await world.Harness.WaitForAsync(e => e is { Type: "run.finished", Run: "trun_3" }, "the end of the run after it");
        Assert.Equal(["trun_1", "trun_3"], world.Driver.Started);
        // A backend that cannot pause it after all has it stopped.
        world.Send(Commands.Pause("suspend"));
        world.Send(Commands.Stop("suspend"));
        Assert.Equal("suspend", await world.Working.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.True(world.Driver.Disposed);
    }

    [Fact]
    public async Task UnknownAgent_FailsItsRuns()
    {
        await using var world = new World(() => throw new AgentStartException(ErrorCodes.AgentNotFound, "no such agent"));
        world.Send(Commands.Start("trun_1", ""));
        var end = await world.Harness.WaitForAsync(e => e.Type == "run.finished", "the end");
        Assert.Equal("agent_not_found", end.Data.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Restart_EndsTheCutOffRunAndItsChild_AndDoesNotRunItAgain()
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command" });
        using var left = await ChildProcess.StartAsync(new ChildSpec
        {
            File = "/bin/sleep",
            Arguments = ["1000"],
            Environment = new Dictionary<string, string>(),
            WorkingDirectory = "/",
        });
        harness.Services.Journal.Started("trun_old", 1);
        harness.Services.Journal.Child(left.Pid, ProcessTree.StartTime(left.Pid)!.Value);

        await using var world = new World(harness: harness, recover: true);
        Assert.Equal(9, (await left.Exited.WaitAsync(TimeSpan.FromSeconds(20))).Signal);
        world.Send(Commands.Start("trun_old", ""));
        world.Send(Commands.Start("trun_new", ""));
        await world.Driver.StartedAsync("trun_new");
        Assert.Equal(["trun_old run.finished", "trun_new run.started"], harness.Events.Select(e => e.Run + " " + e.Type));
        Assert.Equal("interrupted", harness.Of("run.finished").Single().GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task Restart_LeavesAProcessAlone_ThatOnlyHasTheOldPid()
    {
        await using var harness = new DriverHarness(new Setup { Agent = "command" });
        using var innocent = await ChildProcess.StartAsync(new ChildSpec
        {
            File = "/bin/sh",
            Arguments = ["-c", "read -r line; exit 5"],
            Environment = new Dictionary<string, string>(),
            WorkingDirectory = "/",
        });
        harness.Services.Journal.Child(innocent.Pid, ProcessTree.StartTime(innocent.Pid)!.Value - 1);
        await using var world = new World(harness: harness, recover: true);
        await innocent.Input.DisposeAsync();
        Assert.Equal(5, (await innocent.Exited.WaitAsync(TimeSpan.FromSeconds(20))).Code);
    }

    [Theory]
    [InlineData(null, "message.received")]
    [InlineData("It takes none.", "message.refused")]
    public async Task Message_IsReceivedOrRefused(string? refusal, string answer)
    {
        await using var world = new World();
        world.Driver.Refusal = refusal;
        world.Send(Commands.Start("trun_1", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Send(new Command { SendMessage = new SendMessage { Run = "trun_1", Message = "msg_1", Text = "and more" } });
        await world.Harness.WaitForAsync(e => e.Type == answer, "the answer");
        Assert.Equal("msg_1", world.Harness.Of(answer).Single().GetProperty("message_id").GetString());
        world.Driver.Finish("trun_1");
    }

    [Fact]
    public async Task Message_ForARunThatIsNotUnderWay_IsRefused()
    {
        await using var world = new World();
        world.Send(new Command { SendMessage = new SendMessage { Run = "trun_9", Message = "msg_1", Text = "?" } });
        await world.Harness.WaitForAsync(e => e is { Type: "message.refused", Run: "trun_9" }, "the refusal");
    }

    [Theory]
    [InlineData(null, "configure.applied", "opus")]
    [InlineData("No such model.", "configure.refused", "")]
    public async Task Configure_HoldsUnlessTheAgentRefuses(string? refusal, string answer, string model)
    {
        await using var world = new World();
        world.Driver.Refusal = refusal;
        world.Send(Commands.Start("trun_1", ""));
        await world.Driver.StartedAsync("trun_1");
        world.Send(new Command { Configure = new Configure { Model = "opus", PermissionMode = "plan" } });
        await world.Harness.WaitForAsync(e => e.Type == answer, "the answer");
        Assert.Equal(model, world.Harness.Setup.Current.Model);
        world.Driver.Finish("trun_1");
    }

    private sealed class World : IAsyncDisposable
    {
        private readonly CommandInbox inbox = new();
        private readonly CancellationTokenSource life = new();
        private readonly DirectTransfers direct;
        private readonly FolderOpening opening;
        private readonly CheckpointKeeper keeper;
        private long number;

        public World(Func<IAgentDriver>? create = null, DriverHarness? harness = null, bool recover = false, bool open = true)
        {
            Harness = harness ?? new DriverHarness(new Setup { Agent = "command" });
            var services = Harness.Services;
            direct = new DirectTransfers(TimeProvider.System, Harness.Log);
            opening = new FolderOpening(
                services.Config, Harness.Setup, Harness.Sink, [], direct, new WorkspaceSeed(services.Config, services.Environment, Harness.Sink, TimeProvider.System), TimeProvider.System, Harness.Log);
            var checkpoint = new Checkpoint(services.Config, Harness.Setup, services.Journal, Harness.Sink, [], direct, TimeProvider.System, Harness.Log);
            keeper = new CheckpointKeeper(opening, checkpoint, Harness.Setup, Harness.Sink, TimeProvider.System, Harness.Log);
            var coordinator = new RunCoordinator(
                inbox.Commands, create ?? (() => Driver), Harness.Setup, Harness.Workspace, services.Journal, opening, keeper, Harness.Sink, TimeProvider.System, Harness.Log);
            if (open)
                Open();
            if (recover)
                coordinator.Recover();
            Working = coordinator.RunAsync(life.Token);
        }

        public DriverHarness Harness { get; }

        public FakeDriver Driver { get; } = new();

        public Task<string> Working { get; }

        public void Send(Command command)
        {
            command.Number = ++number;
            inbox.Take(command);
        }

        /// <summary>The first welcome: no store is kept here.</summary>
        public void Open() => opening.Begin(Harness.Setup.Current, life.Token);

        public async ValueTask DisposeAsync()
        {
            await life.CancelAsync();
            await Task.WhenAny(Working);
            keeper.Dispose();
            direct.Dispose();
            await Harness.DisposeAsync();
        }
    }
}
