using Marionette.Agent.Agents;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Processes;

/// <summary>The profile's script goes before the first run; here before a command that shows what it left.</summary>
public sealed class PreparedDriverTests
{
    [Fact]
    public async Task Script_RunsOnceBeforeTheFirstRun_InTheWorkspace()
    {
        await using var harness = Harness("echo made >> made.txt; echo preparing; echo $EXTRA", "cat made.txt");
        Assert.Equal("made", (await RunAsync(harness, "trun_1")).Result);
        Assert.Equal("made", (await RunAsync(harness, "trun_2")).Result);
        Assert.Contains("preparing\nmore", harness.Logs, StringComparison.Ordinal);
        Assert.Single(harness.Of("state"), state => state.GetProperty("phase").GetString() == "init_script");
    }

    [Fact]
    public async Task Script_ThatFails_FailsTheRun_AndIsTriedAgainByTheNext()
    {
        await using var harness = Harness("[ -e ready ] || { touch ready; echo no mirror >&2; exit 3; }", "echo ran");
        var failed = await RunAsync(harness, "trun_1");
        Assert.Equal((Outcomes.Failed, ErrorCodes.InitFailed, 3), (failed.Outcome, failed.ErrorCode, failed.Exit!.Value.Code));
        Assert.Contains("no mirror", failed.ErrorMessage, StringComparison.Ordinal);
        Assert.Equal("ran", (await RunAsync(harness, "trun_2")).Result);
    }

    [Fact]
    public async Task Script_OfAChangedProfile_RunsAgain()
    {
        await using var harness = Harness("echo one", "echo ran");
        await RunAsync(harness, "trun_1");
        var changed = harness.Setup.Current.Clone();
        changed.InitScript = "echo two";
        harness.Setup.Set(changed);
        await RunAsync(harness, "trun_2");
        Assert.Contains("two", harness.Logs, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interrupt_EndsTheScriptWithAllThatItStarted()
    {
        await using var harness = Harness("echo begun; sleep 1000 & wait", "echo never");
        using var stop = new CancellationTokenSource();
        var running = Prepared(harness).RunAsync(Commands.Start("trun_1", "do it").StartRun, stop.Token);
        await Eventually.TrueAsync(() => harness.Logs.Contains("begun", StringComparison.Ordinal), "the script's first words");
        await stop.CancelAsync();
        Assert.Equal(Outcomes.Interrupted, (await running.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Outcome);
        Assert.DoesNotContain("never", harness.Logs, StringComparison.Ordinal);
    }

    private static DriverHarness Harness(string script, string command)
    {
        var setup = new Setup { Agent = "command", InitScript = script };
        setup.Command.AddRange(["/bin/sh", "-c", command]);
        setup.Env["EXTRA"] = "more";
        return new DriverHarness(setup);
    }

    private static PreparedDriver Prepared(DriverHarness harness) => new(harness.Driver, harness.Services);

    private static Task<RunResult> RunAsync(DriverHarness harness, string run) =>
        Prepared(harness).RunAsync(Commands.Start(run, "do it").StartRun, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));
}
