using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Spool;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Claude;

/// <summary>Conditions that the real Claude Code shows seldom or never.</summary>
public sealed class ClaudeDriverTests
{
    private const string Key = "sk-ant-canary-abcdef";
    private const string Ask =
        """{"type":"control_request","request_id":"p1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls","n":1.50}}}""";

    private static Setup Setup => new() { Agent = "claude" };

    [Theory]
    [InlineData("this is not json")]
    [InlineData("{\"type\":\"assistant\"")]
    [InlineData("[1,2,3]")]
    [InlineData("\"text\"")]
    [InlineData("\u001b]52;c;ZXZpbA==\u0007")]
    public async Task MalformedLine_BecomesALog_AndTheRunGoesOn(string line)
    {
        using var claude = new FakeClaude("exec cat >> heard", line, FakeClaude.Result());
        await using var harness = new DriverHarness(Setup, claude.Binary);
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
        Assert.Contains(line, harness.Logs, StringComparison.Ordinal);
        Assert.Contains(harness.Of("log"), d => d.GetProperty("level").GetString() == "warn");
    }

    [Theory]
    [InlineData("""{"type":"assistant","message":5}""")]
    [InlineData("""{"type":"assistant","message":{"id":7,"content":[null,3,{"type":"text"},{"type":"tool_use","input":[]}]}}""")]
    [InlineData("""{"type":"stream_event","event":{"type":"content_block_delta","index":"x","delta":[]}}""")]
    [InlineData("""{"type":"user","message":{"content":[{"type":"tool_result","content":{"a":1}}]}}""")]
    [InlineData("""{"type":"system","subtype":"init","tools":[1,null],"session_id":[]}""")]
    [InlineData("""{"type":"system","subtype":"of the future"}""")]
    [InlineData("""{"type":"result_of_the_future"}""")]
    [InlineData("""{"no":"type"}""")]
    [InlineData("""{"type":"control_request","request_id":"x"}""")]
    [InlineData("""{"type":"control_cancel_request","request_id":"never asked"}""")]
    [InlineData("""{"type":"system","subtype":"api_retry","attempt":1e300,"error_status":null,"error":"unknown"}""")]
    public async Task UnexpectedShape_NeverEndsARun(string line)
    {
        using var claude = new FakeClaude("exec cat >> heard", line, FakeClaude.Result());
        await using var harness = new DriverHarness(Setup, claude.Binary);
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
    }

    [Fact]
    public async Task HalfSurrogatesAndBadUtf8_BecomeReplacementCharacters()
    {
        byte[] bad = [.. """{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"a"""u8, 0xC3, 0x28, .. """b"}]}}"""u8];
        var half = """{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"x\ud83dy \\ud83d \ud83d\ude00"}]}}""";
        using var claude = new FakeClaude([bad, Encoding.UTF8.GetBytes(half), Encoding.UTF8.GetBytes(FakeClaude.Result())]);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        await harness.RunAsync();
        Assert.Equal(
            ["a\ufffd(b", "x\ufffdy \\ud83d \ud83d\ude00"], harness.Of("text").Select(d => d.GetProperty("text").GetString()));
    }

    [Fact]
    public async Task LineOfTwentyMegabytes_Arrives()
    {
        var text = new string('x', 20 << 20);
        var line = $$$"""{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"{{{text}}}"}]}}""";
        using var claude = new FakeClaude("exec cat >> heard", line, FakeClaude.Result());
        await using var harness = new DriverHarness(Setup, claude.Binary);
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
        Assert.Equal(text, harness.Of("text").Single().GetProperty("text").GetString());
    }

    [Fact]
    public async Task EventOverTheLimit_IsCut_AndSaysSo()
    {
        var text = new string('ä', 50_000);
        var line = $$$"""{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"{{{text}}}"}]}}""";
        using var claude = new FakeClaude("exec cat >> heard", line, FakeClaude.Result());
        await using var harness = new DriverHarness(Setup, claude.Binary);
        harness.Sink.MaxEventBytes = 10_000;
        await harness.RunAsync();
        var data = harness.Of("text").Single();
        Assert.True(data.GetProperty("truncated").GetBoolean());
        Assert.Matches("^ä+…\\[[0-9]+ bytes cut\\]$", data.GetProperty("text").GetString()!);
        Assert.InRange(data.GetRawText().Length, 4000, 10_000);
        Assert.Equal("m", data.GetProperty("message_id").GetString());
    }

    [Fact]
    public async Task UnknownControlRequest_GetsAnError_AndHooksGoOn()
    {
        using var claude = new FakeClaude(
            $"IFS= read -r a; printf '%s\\n' \"$a\" >> heard; IFS= read -r b; printf '%s\\n' \"$b\" >> heard; echo '{FakeClaude.Result()}'; exec cat",
            """{"type":"control_request","request_id":"c1","request":{"subtype":"of_the_future"}}""",
            """{"type":"control_request","request_id":"c2","request":{"subtype":"hook_callback","callback_id":"h"}}""");
        await using var harness = new DriverHarness(Setup, claude.Binary);
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
        var refused = Parse(claude.Heard[2]).GetProperty("response");
        Assert.Equal("error", refused.GetProperty("subtype").GetString());
        Assert.Equal("c1", refused.GetProperty("request_id").GetString());
        var hook = Parse(claude.Heard[3]).GetProperty("response");
        Assert.True(hook.GetProperty("response").GetProperty("continue").GetBoolean());
    }

    [Theory]
    [InlineData(null, """{"command":"ls","n":1.50}""")]
    [InlineData("{\n \"command\": \"pwd\"\n}", """{"command":"pwd"}""")]
    public async Task Allow_CarriesTheInput_OnOneLine(string? updated, string expected)
    {
        using var claude = AnswerWaiter();
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        Assert.True(await harness.AnswerAsync(Commands.Allow("p1", updated)));
        Assert.Equal(Outcomes.Completed, (await running).Outcome);
        var answer = Parse(claude.Heard[2]).GetProperty("response").GetProperty("response");
        Assert.Equal("allow", answer.GetProperty("behavior").GetString());
        Assert.Equal(expected, answer.GetProperty("updatedInput").GetRawText());
        Assert.Equal("p1", harness.Of("permission.received").Single().GetProperty("request_id").GetString());
    }

    [Fact]
    public async Task Allow_WithAnInputThatIsNoObject_IsADenial()
    {
        using var claude = AnswerWaiter();
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        await harness.AnswerAsync(Commands.Allow("p1", "[1]"));
        await running;
        Assert.Equal("deny", Parse(claude.Heard[2]).GetProperty("response").GetProperty("response").GetProperty("behavior").GetString());
    }

    [Fact]
    public async Task Answer_CountsOnce()
    {
        using var claude = AnswerWaiter();
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        Assert.True(await harness.AnswerAsync(Commands.Deny("p1", "no")));
        Assert.False(await harness.AnswerAsync(Commands.Allow("p1")));
        Assert.False(await harness.AnswerAsync(Commands.Allow("unknown")));
        await running;
        Assert.Single(harness.Of("permission.received"));
    }

    [Fact]
    public async Task DenialWithInterrupt_EndsTheRunAsCanceled()
    {
        const string ended =
            """{"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":1,"total_cost_usd":0.1,"errors":["aborted"]}""";
        using var claude = new FakeClaude($"IFS= read -r a; printf '%s\\n' \"$a\" >> heard; echo '{ended}'; exec cat", Ask);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        await harness.AnswerAsync(Commands.Deny("p1", "no", interrupt: true));
        var result = await running;
        Assert.Equal(Outcomes.Canceled, result.Outcome);
        Assert.Null(result.ErrorCode);
    }

    [Theory]
    [InlineData("echo 'out of luck' >&2; exit 3", ErrorCodes.AgentExited, 3, null)]
    [InlineData("exit 0", ErrorCodes.AgentExited, 0, null)]
    [InlineData("kill -9 $$", ErrorCodes.AgentKilled, null, 9)]
    [InlineData("kill -SEGV $$", ErrorCodes.AgentKilled, null, 11)]
    public async Task EndWithoutAResult_IsAFailureWithItsCause(string then, string code, int? exit, int? signal)
    {
        using var claude = new FakeClaude(then, Ask);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var result = await harness.RunAsync();
        Assert.Equal((Outcomes.Failed, code), (result.Outcome, result.ErrorCode));
        Assert.Equal((exit, signal), (result.Exit!.Value.Code, result.Exit.Value.Signal));
        if (exit == 3)
            Assert.Contains("out of luck", result.ErrorMessage, StringComparison.Ordinal);
        Assert.Single(harness.Of("permission.withdrawn"));
    }

    [Theory]
    [InlineData("", "Claude AI usage limit reached|1795537991", ErrorCodes.UsageLimit, 1795537991)]
    [InlineData("", "Claude AI usage limit reached|1795537991000", ErrorCodes.UsageLimit, 1795537991)]
    [InlineData("", "You've hit your weekly limit · resets Monday", ErrorCodes.UsageLimit, null)]
    [InlineData("""{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795537991,"rateLimitType":"five_hour"}}""", "You've hit your 5-hour limit · resets 4:33pm (UTC)", ErrorCodes.UsageLimit, 1795537991)]
    [InlineData("""{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1795537991}}""", "API Error: 429 rate_limit_error", ErrorCodes.RateLimited, null)]
    [InlineData("", "API Error: 529 overloaded_error", ErrorCodes.Overloaded, null)]
    public async Task ModelThatTakesNoRequests_IsToldApart(string before, string text, string code, int? resets)
    {
        var end = $$"""{"type":"result","subtype":"success","is_error":true,"result":"{{text}}","num_turns":1}""";
        using var claude = new FakeClaude("exec cat >> heard", before.Length > 0 ? [before, end] : [end]);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        var result = await harness.RunAsync();
        Assert.Equal((Outcomes.Failed, code), (result.Outcome, result.ErrorCode));
        Assert.Equal(resets, (int?)result.RetryAt?.ToUnixTimeSeconds());
    }

    [Fact]
    public async Task ErrorOutput_IsToldWithoutSecrets()
    {
        using var claude = new FakeClaude($"echo 'refused: {Key}' >&2; exit 1");
        await using var harness = new DriverHarness(new Setup { Agent = "claude", ApiKey = Key, BaseUrl = "http://127.0.0.1:1" }, claude.Binary);
        var result = await harness.RunAsync();
        Marionette.Agent.Runs.RunEvents.Finished(harness.Sink, "trun_1"u8, result, TimeSpan.Zero, null);
        harness.Sink.Commit();
        Assert.Contains("refused: [redacted]", harness.Logs, StringComparison.Ordinal);
        Assert.Contains("refused: [redacted]", harness.Of("run.finished").Single().GetRawText(), StringComparison.Ordinal);
        Assert.DoesNotContain(Key, string.Concat(harness.Events.Select(e => e.Data.GetRawText())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MissingBinary_SaysWhatWasLookedForAndHowToInstallIt()
    {
        await using var harness = new DriverHarness(Setup, "/nowhere/claude");
        var result = await harness.RunAsync();
        Assert.Equal(ErrorCodes.AgentNotFound, result.ErrorCode);
        Assert.Contains("/nowhere/claude", result.ErrorMessage, StringComparison.Ordinal);
        Assert.Contains("npm install -g @anthropic-ai/claude-code", result.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BinaryThatCannotRun_IsAgentNotFound()
    {
        var broken = Path.GetTempFileName();
        File.WriteAllText(broken, "#!/nowhere/interpreter\n");
        File.SetUnixFileMode(broken, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await using var harness = new DriverHarness(Setup, broken);
        var result = await harness.RunAsync();
        Assert.Equal(ErrorCodes.AgentNotFound, result.ErrorCode);
        File.Delete(broken);
    }

    [Fact]
    public async Task Silence_IsAStall_AndTheProcessIsEnded()
    {
        using var claude = new FakeClaude("exec cat >> heard");
        await using var harness = new DriverHarness(Setup, claude.Binary, stallSeconds: 1);
        var result = await harness.RunAsync();
        Assert.Equal(ErrorCodes.AgentStalled, result.ErrorCode);
        Assert.Contains(claude.Heard, line => line.Contains("\"interrupt\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task WaitingForAnAnswer_IsNoStall()
    {
        using var claude = AnswerWaiter();
        await using var harness = new DriverHarness(Setup, claude.Binary, stallSeconds: 1);
        var started = TimeProvider.System.GetTimestamp();
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        // Three times the stall limit goes by: that nothing ends the run meanwhile is what is tested.
        var first = await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(3)));
        Assert.NotSame(running, first);
        await harness.AnswerAsync(Commands.Allow("p1"));
        Assert.Equal(Outcomes.Completed, (await running).Outcome);
        Assert.True(TimeProvider.System.GetElapsedTime(started) > TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task Interrupt_Escalates_WhenClaudeIgnoresIt()
    {
        using var claude = new FakeClaude(
            "trap '' TERM; while :; do IFS= read -r line && printf '%s\\n' \"$line\" >> heard || sleep 1; done", """{"type":"ready"}""");
        await using var harness = new DriverHarness(Setup, claude.Binary);
        using var stop = new CancellationTokenSource();
        var running = harness.Start(interrupted: stop.Token);
        await Eventually.TrueAsync(() => claude.Heard.Length == 2);
        var before = TimeProvider.System.GetTimestamp();
        await stop.CancelAsync();
        var result = await running.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(9, result.Exit!.Value.Signal);
        Assert.InRange(TimeProvider.System.GetElapsedTime(before).TotalSeconds, 9.5, 25);
        Assert.Contains("interrupt", claude.Heard[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task TwoRuns_ShareAProcess_AndADeadOneIsReplaced()
    {
        var result = FakeClaude.Result();
        using var claude = new FakeClaude(
            $"IFS= read -r a; printf '%s\\n' \"$a\" >> heard; echo '{result}'; exit 0", result);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        await harness.RunAsync(run: "trun_1");
        await harness.RunAsync(run: "trun_2");
        Assert.Equal(1, claude.Starts);
        await harness.RunAsync(run: "trun_3");
        Assert.Equal(2, claude.Starts);
    }

    [Fact]
    public async Task ChangedSetup_ThatTheProcessDoesNotTake_ReplacesIt_BeforeTheNextRun()
    {
        using var claude = new FakeClaude(
            """
            read -r a; echo "$a" >> heard
            echo '{"type":"control_response","response":{"subtype":"error","request_id":"ask-1","error":"not this one"}}'
            exec cat >> heard
            """,
            FakeClaude.Result());
        await using var harness = new DriverHarness(new Setup { Agent = "claude", Model = "one" }, claude.Binary);
        await harness.RunAsync(run: "trun_1");
        harness.Setup.Set(new Setup { Agent = "claude", Model = "two", PermissionMode = "acceptEdits" });
        await harness.RunAsync(run: "trun_2");
        Assert.Equal(2, claude.Starts);
        Assert.Equal("two", claude.Arguments[Array.IndexOf(claude.Arguments, "--model") + 1]);
        Assert.Equal("acceptEdits", claude.Arguments[Array.IndexOf(claude.Arguments, "--permission-mode") + 1]);
    }

    [Fact]
    public async Task ResultOfATurnOfItsOwn_IsNotTheRuns()
    {
        // Claude works on something by itself while the prompt waits, then turns to it.
        using var claude = new FakeClaude($$"""
            id=$(printf '%s' "$second" | sed 's/.*"uuid":"\([^"]*\)".*/\1/')
            echo '{"type":"command_lifecycle","command_uuid":"'$id'","state":"queued"}'
            echo '{{FakeClaude.Result("of its own")}}'
            echo '{"type":"command_lifecycle","command_uuid":"'$id'","state":"started"}'
            echo '{{FakeClaude.Result("of the run")}}'
            exec cat
            """);
        await using var harness = new DriverHarness(Setup, claude.Binary);
        Assert.Equal("of the run", (await harness.RunAsync()).Result);
    }

    [Fact]
    public async Task Environment_IsShortAndHoldsNoSecret()
    {
        using var claude = new FakeClaude("exec cat >> heard", FakeClaude.Result());
        var setup = new Setup { Agent = "claude", ApiKey = Key, BaseUrl = "http://127.0.0.1:1" };
        setup.Env["EXTRA"] = "given by the session";
        await using var harness = new DriverHarness(setup, claude.Binary);
        await harness.RunAsync();
        var names = claude.Environment.Select(line => line.Split('=')[0]).ToList();
        Assert.Contains("EXTRA=given by the session", claude.Environment);
        Assert.Contains($"HOME={harness.Home}", claude.Environment);
        Assert.DoesNotContain("OWN_SECRET", names);
        Assert.DoesNotContain("ANTHROPIC_API_KEY", names);
        Assert.DoesNotContain(claude.Environment, line => line.Contains(Key, StringComparison.Ordinal));
        Assert.DoesNotContain(claude.Arguments, argument => argument.Contains(Key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task FullSpool_HoldsTheAgentBack_AndIsNoStall()
    {
        var line = """{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"0123456789"}]}}""";
        using var claude = new FakeClaude(
            $"i=0; while [ $i -lt 20000 ]; do echo '{line}'; i=$((i+1)); done; echo '{FakeClaude.Result()}'; exec cat");
        var options = new SpoolOptions { MaxBytes = 100_000, SegmentBytes = 10_000 };
        await using var harness = new DriverHarness(Setup, claude.Binary, stallSeconds: 1, options);
        var running = harness.Start();
        await harness.WaitForAsync(_ => harness.Spool.UnackedBytes >= 100_000, "a full spool");
        // Three times the stall limit goes by: that nothing ends the run meanwhile is what is tested.
        var first = await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(3)));
        Assert.NotSame(running, first);
        Assert.InRange(harness.Spool.UnackedBytes, 100_000, 250_000);

        await Eventually.TrueAsync(() =>
        {
            harness.Spool.Acknowledge(harness.Spool.Committed);
            return running.IsCompleted;
        });
        harness.Spool.Acknowledge(harness.Spool.Last);
        Assert.Equal(Outcomes.Completed, (await running).Outcome);
        Assert.Equal(0, harness.Spool.UnackedBytes);
    }

    private static FakeClaude AnswerWaiter() => new(
        $"IFS= read -r a; printf '%s\\n' \"$a\" >> heard; echo '{FakeClaude.Result()}'; exec cat >> heard", Ask);

    private static JsonElement Parse(string line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }
}
