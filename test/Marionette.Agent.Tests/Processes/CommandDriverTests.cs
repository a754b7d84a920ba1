using System.Globalization;
using Marionette.Agent.Agents;
using Marionette.Agent.Spool;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Processes;

public sealed class CommandDriverTests
{
    [Fact]
    public async Task Output_BecomesLogLines_AndItsEndTheResult()
    {
        await using var harness = Harness("cat; echo; echo err >&2; printf 'no line feed'");
        var result = await harness.RunAsync("the prompt");
        Assert.Equal(Outcomes.Completed, result.Outcome);
        Assert.Equal("the prompt\nno line feed", result.Result);
        Assert.Equal(0, result.Exit!.Value.Code);
        Assert.Equal(["the prompt", "no line feed"], Lines(harness, "stdout"));
        Assert.Equal(["err"], Lines(harness, "stderr"));
    }

    [Fact]
    public async Task Environment_NamesTaskAndRun()
    {
        var setup = Setup("echo $MARIONETTE_SESSION $MARIONETTE_TASK $MARIONETTE_RUN $EXTRA; pwd");
        setup.Session = "sess_9";
        setup.Env["EXTRA"] = "more";
        await using var harness = new DriverHarness(setup);
        await harness.RunAsync(run: "trun_5");
        Assert.Equal(["sess_9 task_trun_5 trun_5 more", harness.Workspace], Lines(harness, "stdout"));
    }

    [Theory]
    [InlineData("echo broken >&2; exit 7", ErrorCodes.AgentExited, 7, null)]
    [InlineData("kill -9 $$", ErrorCodes.AgentKilled, null, 9)]
    public async Task Failure_TellsCodeOrSignal(string script, string code, int? exit, int? signal)
    {
        await using var harness = Harness(script);
        var result = await harness.RunAsync();
        Assert.Equal((Outcomes.Failed, code), (result.Outcome, result.ErrorCode));
        Assert.Equal((exit, signal), (result.Exit!.Value.Code, result.Exit.Value.Signal));
        if (exit is not null)
            Assert.Contains("broken", result.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MissingCommand_IsAgentNotFound()
    {
        var setup = new Setup { Agent = "command" };
        setup.Command.Add("no-such-command-here");
        await using var harness = new DriverHarness(setup);
        var result = await harness.RunAsync();
        Assert.Equal(ErrorCodes.AgentNotFound, result.ErrorCode);
        Assert.Contains("no-such-command-here", result.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LongLine_ComesInPieces()
    {
        await using var harness = Harness("head -c 2500000 /dev/zero | tr '\\0' x; echo; echo short");
        await harness.RunAsync();
        var pieces = harness.Of("log").ToList();
        Assert.Equal(
            [(1 << 20, true), (1 << 20, true), (2_500_000 - (2 << 20), false), (5, false)],
            pieces.Select(d => (d.GetProperty("content").GetString()!.Length, d.TryGetProperty("partial", out _))));
    }

    [Fact]
    public async Task PromptThatNobodyReads_IsNoTrouble()
    {
        await using var harness = Harness("exec < /dev/null; echo ok");
        Assert.Equal("ok", (await harness.RunAsync(new string('x', 1 << 20))).Result);
    }

    [Fact]
    public async Task Interrupt_EndsIt_FirstByTerm()
    {
        await using var harness = Harness("trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done");
        using var stop = new CancellationTokenSource();
        var running = harness.Start(interrupted: stop.Token);
        await harness.WaitForAsync(e => e.Type == "log", "ready");
        await stop.CancelAsync();
        var result = await running.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(9, result.Exit!.Value.Code);
        Assert.Contains("bye", harness.Logs, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BinaryOutput_BecomesText()
    {
        await using var harness = Harness("printf 'a\\377\\000b\\033[31m\\n'");
        await harness.RunAsync();
        Assert.Equal(["a\ufffd\0b\u001b[31m"], Lines(harness, "stdout"));
    }

    [Fact]
    public async Task OutputOfAGrandchildThatStays_DoesNotHoldTheRun()
    {
        await using var harness = Harness("setsid sleep 1000 & echo started");
        var result = await harness.RunAsync();
        Assert.Equal(Outcomes.Completed, result.Outcome);
        Assert.Equal("started", result.Result);
    }

    [Fact]
    public async Task MuchOutput_PassesABoundedSpool_WithoutLoss()
    {
        const int lines = 300_000;
        var options = new SpoolOptions { MaxBytes = 4 << 20, SegmentBytes = 1 << 20 };
        await using var harness = new DriverHarness(Setup($"seq 1 {lines}"), options: options);
        var running = harness.Start();
        var expected = 1;
        var most = 0L;
        using var batch = new EventBatchBuffer();
        while (true)
        {
            most = Math.Max(most, harness.Spool.UnackedBytes);
            if (harness.Spool.Read(harness.Spool.Acked + 1, 512, 1 << 20, batch) == 0)
            {
                if (running.IsCompleted && harness.Spool.Acked == harness.Spool.Last)
                    break;
                await Task.WhenAny(harness.Spool.Changed.WaitAsync(CancellationToken.None).AsTask(), running);
                continue;
            }

            foreach (var e in EventBatch.Parser.ParseFrom(batch.Written.ToArray()).Events)
            {
                var content = $"\"content\":\"{(expected++).ToString(CultureInfo.InvariantCulture)}\"";
                Assert.Contains(content, e.Data.ToStringUtf8(), StringComparison.Ordinal);
            }

            harness.Spool.Acknowledge(harness.Spool.Acked + batch.Count);
        }

        Assert.Equal(lines, expected - 1);
        Assert.Equal(Outcomes.Completed, (await running).Outcome);
        Assert.InRange(most, 0, 6 << 20);
    }

    private static DriverHarness Harness(string script) => new(Setup(script));

    private static Setup Setup(string script)
    {
        var setup = new Setup { Agent = "command" };
        setup.Command.AddRange(["/bin/sh", "-c", script]);
        return setup;
    }

    private static IEnumerable<string> Lines(DriverHarness harness, string stream) => harness.Of("log")
        .Where(d => d.GetProperty("stream").GetString() == stream).Select(d => d.GetProperty("content").GetString()!);
}
