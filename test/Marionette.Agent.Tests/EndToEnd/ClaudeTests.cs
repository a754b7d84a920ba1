using System.Diagnostics;
using System.Text.Json;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>One run at a time, with everything real but the model.</summary>
public sealed class ClaudeTests
{
    [Fact]
    public async Task Say_CompletesWithTextUsageAndCost()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var end = await world.RunAsync("@scenario say text=\"hello there\"");
        Assert.Equal("completed", Outcome(end));
        Assert.Equal("hello there", end.GetProperty("result").GetString());
        Assert.True(end.GetProperty("cost_usd").GetDouble() > 0);
        Assert.True(end.GetProperty("usage").GetProperty("output_tokens").GetInt64() > 0);
        Assert.Equal(1, end.GetProperty("turns").GetInt32());
        Assert.Equal("hello there", string.Concat(world.Of("trun_1", "text.delta").Select(Text)));
        Assert.Equal(["hello there"], world.Of("trun_1", "text").Select(Text));
        var started = world.Of("trun_1", "run.started").Single().GetProperty("conversation_id").GetString();
        Assert.Equal(started, end.GetProperty("conversation_id").GetString());
    }

    [Fact]
    public async Task SecondRun_ReusesTheProcess_AndTellsItsOwnCost()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var first = await world.RunAsync("@scenario say text=one");
        var pid = world.ClaudePid();
        var second = await world.RunAsync("@scenario say text=two");
        Assert.Equal(pid, world.ClaudePid());
        Assert.Equal("two", second.GetProperty("result").GetString());
        // The second reads from the cache what the first wrote: if it told the sum, it would be dearer.
        Assert.True(second.GetProperty("cost_usd").GetDouble() < first.GetProperty("cost_usd").GetDouble());
    }

    [Fact]
    public async Task Shell_Allowed_RunsTheCommand()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        var question = await world.QuestionAsync(run);
        Assert.False(File.Exists(Path.Combine(world.Agent.Workspace, "made.txt")));
        world.Gateway.Send(Commands.Allow(question));
        var end = await world.EndAsync(run);
        Assert.Equal("completed", Outcome(end));
        Assert.True(File.Exists(Path.Combine(world.Agent.Workspace, "made.txt")));
        Assert.Equal(question, world.Of(run, "permission.received").Single().GetProperty("request_id").GetString());
        Assert.Equal("Bash: touch made.txt", world.Of(run, "progress").Single().GetProperty("step").GetString());
        Assert.Empty(world.Of(run, "permission.withdrawn"));
    }

    [Fact]
    public async Task Shell_Denied_TellsTheModelWhy()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        world.Gateway.Send(Commands.Deny(await world.QuestionAsync(run), "Denied by policy P-7"));
        var end = await world.EndAsync(run);
        Assert.Equal("completed", Outcome(end));
        var result = world.Of(run, "tool_result").Single();
        Assert.True(result.GetProperty("is_error").GetBoolean());
        Assert.Equal("Denied by policy P-7", result.GetProperty("content").GetString());
        Assert.False(File.Exists(Path.Combine(world.Agent.Workspace, "made.txt")));
    }

    [Fact]
    public async Task Shell_DeniedWithInterrupt_EndsTheRun_AndTheNextOneWorks()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        world.Gateway.Send(Commands.Deny(await world.QuestionAsync(run), "stop", interrupt: true));
        Assert.Equal("canceled", Outcome(await world.EndAsync(run)));
        Assert.Equal("completed", Outcome(await world.RunAsync("@scenario say text=again")));
    }

    [Fact]
    public async Task Shell_WithChangedInput_RunsTheChangedCommand()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch asked.txt\"");
        world.Gateway.Send(Commands.Allow(
            await world.QuestionAsync(run), """{"command":"touch changed.txt && echo changed","description":"other"}"""));
        await world.EndAsync(run);
        Assert.Equal("changed", world.Of(run, "tool_result").Single().GetProperty("content").GetString());
        Assert.True(File.Exists(Path.Combine(world.Agent.Workspace, "changed.txt")));
        Assert.False(File.Exists(Path.Combine(world.Agent.Workspace, "asked.txt")));
    }

    [Fact]
    public async Task ParallelCalls_AreEachAskedAndAnswered()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario parallel n=3 cmd=\"touch file{i}\"");
        var answered = new HashSet<string>();
        for (var i = 0; i < 3; i++)
        {
            var ask = await world.Gateway.WaitForAsync(
                e => e.Type == "permission.request" && !answered.Contains(e.Data.GetProperty("request_id").GetString()!), "a question");
            var request = ask.Data.GetProperty("request_id").GetString()!;
            answered.Add(request);
            world.Gateway.Send(Commands.Allow(request));
        }

        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        Assert.Equal(3, Directory.GetFiles(world.Agent.Workspace, "file*").Length);
        Assert.Equal(3, world.Of(run, "permission.received").Count());
    }

    [Fact]
    public async Task Interrupt_WhileTheModelStreams_EndsTheRun_AndTheProcessStays()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario slow chunks=1000 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta", "the first words");
        var pid = world.ClaudePid();
        world.Gateway.Send(Commands.Interrupt(run, "canceled"));
        var end = await world.EndAsync(run);
        Assert.Equal("canceled", Outcome(end));
        Assert.False(end.TryGetProperty("error", out _));
        Assert.Equal("completed", Outcome(await world.RunAsync("@scenario say text=again")));
        Assert.Equal(pid, world.ClaudePid());
    }

    [Fact]
    public async Task Interrupt_WhileAPermissionIsPending_WithdrawsIt()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        var question = await world.QuestionAsync(run);
        world.Gateway.Send(Commands.Interrupt(run, "timed_out"));
        Assert.Equal("timed_out", Outcome(await world.EndAsync(run)));
        Assert.Equal(question, world.Of(run, "permission.withdrawn").Single().GetProperty("request_id").GetString());
        // An answer that comes too late changes nothing.
        world.Gateway.Send(Commands.Allow(question));
        Assert.Equal("completed", Outcome(await world.RunAsync("@scenario say text=again")));
        Assert.False(File.Exists(Path.Combine(world.Agent.Workspace, "made.txt")));
    }

    [Fact]
    public async Task Interrupt_WhileACommandRuns_EndsIt()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.PermissionMode = "bypassPermissions");
        var run = world.Start("@scenario shell cmd=\"touch began; while :; do sleep 1; done\"");
        await world.Gateway.WaitForAsync(e => e.Type == "tool_use", "the call");
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(world.Agent.Workspace, "began")));
        world.Gateway.Send(Commands.Interrupt(run, "canceled"));
        Assert.Equal("canceled", Outcome(await world.EndAsync(run)));
        Assert.Empty(world.Of(run, "permission.request"));
    }

    [Fact]
    public async Task RefusedKey_FailsAtOnce_AndIsNotTriedAgain()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.ApiKey = "sk-bad-canary-0123456789");
        var clock = Stopwatch.StartNew();
        var end = await world.RunAsync("@scenario say text=never");
        Assert.Equal("failed", Outcome(end));
        Assert.Equal("authentication_failed", Code(end));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"took {clock.Elapsed}");
        Assert.InRange(world.Model.Requests.Count(r => r.Status == 401), 1, 2);
        Assert.DoesNotContain(world.Gateway.Events, e => e.Data.GetRawText().Contains("sk-bad-canary", StringComparison.Ordinal));
    }

    [Fact]
    public async Task NewKey_HelpsTheNextRun()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.ApiKey = "sk-bad-canary-0123456789");
        Assert.Equal("authentication_failed", Code(await world.RunAsync("@scenario say text=never")));
        world.Gateway.Setup.ApiKey = ClaudeWorld.Key;
        world.Gateway.Cut(); // the next Welcome brings the new key
        await world.Gateway.UntilAsync(() => world.Gateway.Hellos.Count == 2, "the second Hello");
        Assert.Equal("completed", Outcome(await world.RunAsync("@scenario say text=now")));
    }

    [Fact]
    public async Task RateLimit_IsToldAndOvercome()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var end = await world.RunAsync("@scenario status code=429 times=1 retry_after=1");
        Assert.Equal("completed", Outcome(end));
        var error = world.Of("trun_1", "error").Single();
        Assert.Equal("rate_limit (HTTP 429)", error.GetProperty("message").GetString());
        Assert.True(error.GetProperty("retryable").GetBoolean());
    }

    [Fact]
    public async Task PromptTooLong_IsContextExceeded()
    {
        await using var world = await ClaudeWorld.StartAsync();
        Assert.Equal("context_exceeded", Code(await world.RunAsync("@scenario status code=400 times=always")));
    }

    [Fact]
    public async Task CutStream_EndsInTheWholeText()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var end = await world.RunAsync("@scenario drop after=20");
        Assert.Equal("completed", Outcome(end));
        Assert.Equal("This sentence was interrupted once, and now it has arrived whole.", end.GetProperty("result").GetString());
    }

    [Fact]
    public async Task HugeAnswer_ArrivesWhole()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var end = await world.RunAsync("@scenario huge bytes=2000000");
        Assert.Equal(2_000_000, world.Of("trun_1", "text").Single().GetProperty("text").GetString()!.Length);
        Assert.Equal(2_000_000, string.Concat(world.Of("trun_1", "text.delta").Select(Text)).Length);
        Assert.Equal("completed", Outcome(end));
    }

    [Fact]
    public async Task Tools_SeeNeitherKeyNorPlaceholder()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.PermissionMode = "bypassPermissions");
        var run = world.Start(
            """@scenario shell cmd='env; cat /proc/$PPID/environ /proc/$PPID/cmdline | tr "\\0" "\\n"; cat <&3; grep -rl canary $HOME . ; ls /proc/$PPID/fd; echo end of list'""");
        await world.EndAsync(run);
        var seen = world.Of(run, "tool_result").Single().GetProperty("content").GetString()!;
        Assert.Contains("end of list", seen, StringComparison.Ordinal);
        Assert.Contains("ANTHROPIC_BASE_URL=http://127.0.0.1:", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("ANTHROPIC_API_KEY", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("mnb_", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("[redacted]", seen, StringComparison.Ordinal);
        Assert.DoesNotContain(ClaudeWorld.Key, world.Agent.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MissingBinary_SaysHowToInstallIt()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Protocol.V1.Setup { Agent = "claude", ApiKey = ClaudeWorld.Key });
        using var agent = new AgentProcess(gateway, "/nowhere/claude").Start();
        gateway.Send(Commands.Start("trun_1", "x"));
        var end = (await gateway.WaitForAsync(e => e.Type == "run.finished", "the end")).Data;
        Assert.Equal("agent_not_found", Code(end));
        Assert.Contains("npm install -g @anthropic-ai/claude-code", end.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string Outcome(JsonElement end) => end.GetProperty("outcome").GetString()!;

    private static string? Code(JsonElement end) => end.GetProperty("error").GetProperty("code").GetString();

    private static string? Text(JsonElement data) => data.GetProperty("text").GetString();
}
