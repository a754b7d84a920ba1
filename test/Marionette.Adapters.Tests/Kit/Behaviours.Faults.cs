using Marionette.Agent.Tests.Support;

namespace Marionette.Adapters.Tests.Kit;

/// <content>What goes wrong.</content>
public abstract partial class Behaviours
{
    [Fact]
    public async Task Killed_WhileItWorks_FailsTheRun_AndTheNextOneHasTheConversation()
    {
        if (!Adapter.RunsProgram)
        {
            await AssertRunsNothingAsync();
            return;
        }

        var world = await SharedAsync();
        await world.RunAsync("@scenario say text=before");
        var run = world.Start("@scenario slow chunks=2000 delay_ms=50");
        await world.HearAsync(run, "text.delta");
        await world.KillChildAsync();
        var end = await world.EndAsync(run);
        Assert.Equal("failed", Outcome(end));
        Assert.Equal("agent_killed", Code(end));
        Assert.Equal("SIGKILL", end.GetProperty("exit").GetProperty("signal").GetString());
        Assert.Equal("after", Result(await world.RunAsync("@scenario say text=after")));
        if (Adapter.Has(Promises.Resume))
            Assert.True(Answered(world).Last().History);
    }

    [Fact]
    public async Task Killed_WhileItAsks_WithdrawsTheQuestion()
    {
        if (!Adapter.Has(Promises.Permissions) || !Adapter.RunsProgram)
            return;
        var world = await SharedAsync();
        var run = world.Start(Touch);
        var question = await world.QuestionAsync(run);
        await world.KillChildAsync();
        Assert.Equal("agent_killed", Code(await world.EndAsync(run)));
        Assert.Equal(question, Assert.Single(world.Of(run, "permission.withdrawn")).GetProperty("request_id").GetString());
        world.Gateway.Send(Commands.Allow(question));
        var again = world.Start(Touch);
        world.Gateway.Send(Commands.Allow(await world.QuestionAsync(again)));
        Assert.Equal("completed", Outcome(await world.EndAsync(again)));
        Assert.True(world.Has("made.txt"));
    }

    [Fact]
    public async Task Killed_BetweenRuns_TheNextOneHasTheConversation()
    {
        if (!Adapter.Has(Promises.Resume))
            return;
        var world = await SharedAsync();
        var first = await world.RunAsync("@scenario say text=before");
        await world.KillChildAsync();
        var second = await world.RunAsync("@scenario say text=after");
        Assert.Equal("after", Result(second));
        Assert.Equal(Conversation(first), Conversation(second));
        Assert.True(Answered(world).Last().History);
    }

    [Fact]
    public async Task Resume_InAnotherRunner_HasTheConversation()
    {
        if (!Adapter.Has(Promises.Resume))
            return;
        await using var world = await AdapterWorld.StartAsync(Adapter);
        var conversation = Conversation(await world.RunAsync("@scenario say text=before"));
        await world.MoveToNewRunnerAsync(conversation);
        var end = await world.RunAsync("@scenario say text=after");
        Assert.Equal("after", Result(end));
        Assert.Equal(conversation, Conversation(end));
        Assert.True(Answered(world).Last().History);
    }

    [Fact]
    public async Task Resume_OfAConversationThatIsNotThere_SaysSo_AndBeginsANewOne()
    {
        if (!Adapter.Has(Promises.Resume))
            return;
        await using var world = await AdapterWorld.StartAsync(Adapter, setup => setup.Conversation = "0198f0c4-1111-7222-8333-444455556666");
        var end = await world.RunAsync("@scenario say text=new");
        Assert.Equal("new", Result(end));
        Assert.NotEqual("0198f0c4-1111-7222-8333-444455556666", Conversation(end));
        Assert.Contains(world.Of("trun_1", "log"), log => log.GetProperty("content").GetString()!.Contains("a new one begins", StringComparison.Ordinal));
    }

    [Fact]
    public async Task MissingProgram_SaysHowToInstallIt()
    {
        if (!Adapter.RunsProgram)
        {
            await AssertRunsNothingAsync();
            return;
        }

        await using var world = await AdapterWorld.StartAsync(
            Adapter, prepare: world => Adapter.Install(world.Agent.Config, world.Gateway.Setup, "/nowhere/agent"));
        var end = await world.RunAsync("@scenario say text=never");
        Assert.Equal("agent_not_found", Code(end));
        Assert.Contains("/nowhere/agent", Message(end), StringComparison.Ordinal);
        Assert.Contains(Adapter.InstallHint, Message(end), StringComparison.Ordinal);
    }

    [Fact]
    public async Task BadKey_FailsAtOnce_AndIsNotShown()
    {
        if (!Adapter.Has(Promises.Model))
            return;
        await using var world = await AdapterWorld.StartAsync(Adapter, setup => setup.ApiKey = "sk-bad-canary-0123456789");
        var end = await world.RunAsync("@scenario say text=never");
        Assert.Equal("failed", Outcome(end));
        Assert.Equal("authentication_failed", Code(end));
        // By itself an agent would go on to ask for minutes.
        Assert.InRange(world.Model.Requests.Count(request => request.Status == 401), 1, 4);
        Assert.DoesNotContain(world.Gateway.Events, e => e.Data.GetRawText().Contains("sk-bad-canary", StringComparison.Ordinal));
    }

    [Fact]
    public async Task RateLimit_ThatPasses_IsOvercome()
    {
        if (!Adapter.Has(Promises.Retries))
            return;
        var world = await SharedAsync();
        var end = await world.RunAsync("@scenario status code=429 times=1 retry_after=1");
        Assert.Equal("completed", Outcome(end));
        Assert.Contains("answers again after 1 refusals", Result(end), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MalformedLine_IsKept_AndHurtsNobody()
    {
        if (!Adapter.RunsProgram)
        {
            await AssertRunsNothingAsync();
            return;
        }

        await using var world = await AdapterWorld.StartAsync(Adapter, prepare: world =>
        {
            var wrapper = Path.Combine(world.Agent.Root, "wrapped");
            File.WriteAllText(wrapper, $"#!/bin/sh\nprintf 'this is no JSON \\001\\n[1,2]\\n'\nexec '{Adapter.Program}' \"$@\"\n");
            File.SetUnixFileMode(wrapper, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Adapter.Install(world.Agent.Config, world.Gateway.Setup, wrapper);
        });
        var end = await world.RunAsync("@scenario say text=fine");
        Assert.Equal("fine", Result(end));
        Assert.Contains(world.Gateway.Events, e => e.Type == "log" && e.Data.GetRawText().Contains("this is no JSON", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tools_DoNotSeeTheKey()
    {
        if (!Adapter.Has(Promises.Model))
            return;
        var world = await SharedAsync("bypassPermissions");
        var run = world.Start(
            """@scenario shell cmd='env; cat /proc/$PPID/environ /proc/$PPID/cmdline | tr "\\0" "\\n"; grep -rlE "canary|mnb_" $HOME . ; echo end of list'""");
        await world.EndAsync(run);
        var seen = Assert.Single(world.Of(run, "tool_result")).GetProperty("content").GetString()!;
        Assert.Contains("end of list", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("mnb_", seen, StringComparison.Ordinal);
        // What would have been there is blackened in every event.
        Assert.Equal(Adapter.ShowsPlaceholder, seen.Contains("[redacted]", StringComparison.Ordinal));
        Assert.DoesNotContain(AdapterWorld.Key, world.Agent.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ManyTools_InOneTurn_EachHaveTheirResult()
    {
        if (!Adapter.Has(Promises.Model))
            return;
        var world = await SharedAsync("bypassPermissions");
        var run = world.Start($"@scenario multi n={Adapter.ManyTools} cmd=\"echo step {{i}}\"");
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        var calls = world.Of(run, "tool_use").Select(call => call.GetProperty("tool_use_id").GetString()).ToList();
        Assert.Equal(Adapter.ManyTools, calls.Distinct().Count());
        Assert.Equal(calls, world.Of(run, "tool_result").Select(result => result.GetProperty("tool_use_id").GetString()));
        Assert.Contains($"step {Adapter.ManyTools}", world.Of(run, "tool_result").Last().GetProperty("content").GetString(), StringComparison.Ordinal);
    }

    // Nothing to be missing, killed or misunderstood: no process stands behind the run.
    private async Task AssertRunsNothingAsync()
    {
        var world = await SharedAsync();
        var run = world.Start("@scenario slow chunks=60 delay_ms=50");
        await world.HearAsync(run, "text.delta");
        Assert.Equal(0, world.ChildPid());
        Assert.Empty(world.ChildrenOfAgent());
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
    }
}
