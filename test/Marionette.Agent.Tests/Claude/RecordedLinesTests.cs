using Marionette.Agent.Agents;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Claude;

/// <summary>What becomes of lines that Claude Code 2.1.330 really printed.</summary>
public sealed class RecordedLinesTests
{
    private static Setup Setup => new() { Agent = "claude" };

    [Fact]
    public async Task Say_BecomesDeltasTextUsageAndResult()
    {
        await using var harness = await PlayAsync("say");
        Assert.Equal(Outcomes.Completed, harness.Result.Outcome);
        Assert.Equal("hello there", harness.Result.Result);
        Assert.Equal(1, harness.Result.Turns);
        Assert.True(harness.Result.Cost > 0);
        Assert.Equal("hello there", string.Concat(harness.Of("text.delta").Select(d => d.GetProperty("text").GetString())));
        var text = Assert.Single(harness.Of("text"));
        Assert.Equal("hello there", text.GetProperty("text").GetString());
        Assert.Equal(0, text.GetProperty("index").GetInt32());
        Assert.Equal(
            harness.Of("text.delta").First().GetProperty("message_id").GetString(), text.GetProperty("message_id").GetString());
        var usage = Assert.Single(harness.Of("usage"));
        Assert.Equal(harness.Result.Usage.Output, usage.GetProperty("output_tokens").GetInt64());
        Assert.Equal(harness.Result.Usage.CacheWrite, usage.GetProperty("cache_write_tokens").GetInt64());
        var ready = harness.Of("state").Single(d => d.GetProperty("phase").GetString() == "ready");
        Assert.Equal("2.1.330", ready.GetProperty("agent_version").GetString());
        Assert.Contains("Bash", ready.GetProperty("tools").EnumerateArray().Select(tool => tool.GetString()));
        Assert.Equal("idle", harness.Of("state").Last().GetProperty("phase").GetString());
    }

    [Fact]
    public async Task Think_BecomesThinkingBesideText()
    {
        await using var harness = await PlayAsync("think");
        var thought = Assert.Single(harness.Of("thinking")).GetProperty("text").GetString();
        Assert.Equal(thought, string.Concat(harness.Of("thinking.delta").Select(d => d.GetProperty("text").GetString())));
        Assert.Equal("I have thought about it.", Assert.Single(harness.Of("text")).GetProperty("text").GetString());
        Assert.Equal(1, harness.Of("text").Single().GetProperty("index").GetInt32());
        Assert.Equal(1, harness.Of("text.delta").First().GetProperty("index").GetInt32());
    }

    [Fact]
    public async Task Unicode_ArrivesWhole()
    {
        await using var harness = await PlayAsync("unicode");
        var text = harness.Of("text").Single().GetProperty("text").GetString();
        Assert.Equal(harness.Result.Result, text);
        Assert.Contains(text!, character => character > 0x7f);
    }

    [Fact]
    public async Task ShellCall_BecomesToolUseProgressPermissionAndResult()
    {
        await using var harness = await PlayAsync("shell-allowed");
        var call = Assert.Single(harness.Of("tool_use"));
        Assert.Equal("Bash", call.GetProperty("name").GetString());
        Assert.Equal("touch a.txt && ls", call.GetProperty("input").GetProperty("command").GetString());
        Assert.Equal("Bash: touch a.txt && ls", harness.Of("progress").Single().GetProperty("step").GetString());
        var ask = harness.Of("permission.request").Single();
        Assert.Equal("Bash", ask.GetProperty("tool").GetString());
        Assert.Equal("touch a.txt && ls", ask.GetProperty("input").GetProperty("command").GetString());
        Assert.Equal(
            call.GetProperty("tool_use_id").GetString(), ask.GetProperty("context").GetProperty("tool_use_id").GetString());
        var result = harness.Of("tool_result").Single();
        Assert.Equal(call.GetProperty("tool_use_id").GetString(), result.GetProperty("tool_use_id").GetString());
        Assert.Equal("a.txt", result.GetProperty("content").GetString());
        Assert.False(result.GetProperty("is_error").GetBoolean());
        Assert.Equal(2, harness.Of("usage").Count());
        // The recording was answered elsewhere; nobody answered here, and the turn is over.
        Assert.Equal(
            ask.GetProperty("request_id").GetString(),
            harness.Of("permission.withdrawn").Single().GetProperty("request_id").GetString());
    }

    [Fact]
    public async Task ParallelCalls_KeepTheirIdsAndIndexes()
    {
        await using var harness = await PlayAsync("parallel");
        var calls = harness.Of("tool_use").Select(d => d.GetProperty("tool_use_id").GetString()).ToList();
        Assert.Equal(3, calls.Distinct().Count());
        Assert.Equal(calls.Order(), harness.Of("tool_result").Select(d => d.GetProperty("tool_use_id").GetString()).Order());
    }

    [Fact]
    public async Task InterruptWhilePermissionIsPending_WithdrawsIt()
    {
        await using var harness = await PlayAsync("interrupt-pending");
        Assert.Single(harness.Of("permission.withdrawn"));
        Assert.Equal(Outcomes.Failed, harness.Result.Outcome); // nobody here asked for it; the coordinator knows who did
        Assert.True(harness.Result.Usage.Output > 0); // what an interrupted turn used up is told
    }

    [Fact]
    public async Task Retries_BecomeErrorsThatAreNoEnd()
    {
        await using var harness = await PlayAsync("retry-429");
        var errors = harness.Of("error").ToList();
        Assert.Equal([1, 2], errors.Select(d => d.GetProperty("attempt").GetInt32()));
        Assert.All(errors, d => Assert.True(d.GetProperty("retryable").GetBoolean()));
        Assert.Equal("rate_limit (HTTP 429)", errors[0].GetProperty("message").GetString());
        Assert.Equal(1058, errors[0].GetProperty("retry_in_ms").GetInt64());
        Assert.Equal(Outcomes.Completed, harness.Result.Outcome);
    }

    [Fact]
    public async Task PromptTooLong_IsContextExceeded_ThoughItsSubtypeIsSuccess()
    {
        await using var harness = await PlayAsync("status-400");
        Assert.Equal(Outcomes.Failed, harness.Result.Outcome);
        Assert.Equal(ErrorCodes.ContextExceeded, harness.Result.ErrorCode);
        Assert.Contains("too long", harness.Result.ErrorMessage, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(harness.Of("text"));
        Assert.Empty(harness.Of("usage"));
    }

    [Fact]
    public async Task BrokenStream_EndsInTheWholeText_AndCountsBothAnswers()
    {
        await using var harness = await PlayAsync("stream-error");
        var text = harness.Of("text").Single();
        Assert.Equal("This sentence was interrupted once, and now it has arrived whole.", text.GetProperty("text").GetString());
        // The cut answer's pieces carry another message's id: whoever shows them knows that they are void.
        Assert.NotEqual(
            text.GetProperty("message_id").GetString(), harness.Of("text.delta").First().GetProperty("message_id").GetString());
        Assert.Equal(2, harness.Of("usage").Count());
        Assert.Equal(16, harness.Of("usage").Last().GetProperty("output_tokens").GetInt64());
    }

    [Fact]
    public async Task CutBehindABlock_ShowsClaudesNoteAsALog()
    {
        await using var harness = await PlayAsync("drop-after-block");
        Assert.Contains("cut off mid-stream", harness.Logs, StringComparison.Ordinal);
        Assert.Equal(Outcomes.Completed, harness.Result.Outcome);
    }

    [Fact]
    public async Task RawLines_StandBeforeTheirEvents_WhenTheSessionAsksForThem()
    {
        await using var harness = await PlayAsync("say", new Setup { Agent = "claude", IncludeRaw = true });
        var lines = FakeClaude.Recorded("say").Select(System.Text.Encoding.UTF8.GetString).ToList();
        Assert.Equal(lines, harness.Of("raw").Select(d => d.GetProperty("line").GetString()));
        var types = harness.Types.ToList();
        Assert.Equal("raw", types[types.IndexOf("text") - 1]);
    }

    private static async Task<Played> PlayAsync(string name, Setup? setup = null)
    {
        using var claude = new FakeClaude(FakeClaude.Recorded(name));
        var harness = new DriverHarness(setup ?? Setup, claude.Binary);
        return new Played(harness, await harness.RunAsync());
    }

    private sealed class Played(DriverHarness harness, RunResult result) : IAsyncDisposable
    {
        public RunResult Result => result;

        public IEnumerable<string> Types => harness.Types;

        public string Logs => harness.Logs;

        public IEnumerable<System.Text.Json.JsonElement> Of(string type) => harness.Of(type);

        public ValueTask DisposeAsync() => harness.DisposeAsync();
    }
}
