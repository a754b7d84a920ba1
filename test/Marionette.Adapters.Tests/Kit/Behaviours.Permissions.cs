using Marionette.Agent.Tests.Support;

namespace Marionette.Adapters.Tests.Kit;

/// <content>Questions and answers, interrupts and messages.</content>
public abstract partial class Behaviours
{
    private const string Touch = "@scenario shell cmd=\"touch made.txt\"";

    [Fact]
    public async Task Permission_Allowed_Acts()
    {
        if (!Adapter.Has(Promises.Permissions))
        {
            await AssertAsksNothingAsync();
            return;
        }

        var world = await SharedAsync();
        var run = world.Start(Touch);
        var ask = await world.HearAsync(run, "permission.request");
        Assert.False(world.Has("made.txt"));
        Assert.Equal("command", ask.GetProperty("category").GetString());
        Assert.Equal("touch made.txt", ask.GetProperty("command").GetString());
        Assert.Equal(Adapter.Has(Promises.ChangedInput), ask.TryGetProperty("takes_input", out var takes) && takes.GetBoolean());
        var question = ask.GetProperty("request_id").GetString()!;
        world.Gateway.Send(Commands.Allow(question));
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        Assert.Equal(Adapter.RunsProgram, world.Has("made.txt"));
        Assert.Equal(question, Assert.Single(world.Of(run, "permission.received")).GetProperty("request_id").GetString());
        Assert.Empty(world.Of(run, "permission.withdrawn"));
    }

    [Fact]
    public async Task Permission_Denied_DoesNotAct()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        var run = world.Start(Touch);
        world.Gateway.Send(Commands.Deny(await world.QuestionAsync(run), "Denied by policy P-7"));
        var end = await world.EndAsync(run);
        Assert.False(world.Has("made.txt"));
        Assert.NotEqual("failed", Outcome(end));
        Assert.Single(world.Of(run, "permission.received"));
        if (Adapter.Has(Promises.DenialReason))
        {
            Assert.Equal("completed", Outcome(end));
            Assert.Contains("Denied by policy P-7", Result(end), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Permission_DeniedWithInterrupt_EndsTheRun_AndTheNextOneWorks()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        var run = world.Start(Touch);
        world.Gateway.Send(Commands.Deny(await world.QuestionAsync(run), "stop", interrupt: true));
        Assert.Equal("canceled", Outcome(await world.EndAsync(run)));
        Assert.False(world.Has("made.txt"));
        Assert.Equal("again", Result(await world.RunAsync("@scenario say text=again")));
    }

    [Fact]
    public async Task Permission_WithChangedInput_RunsThat_OrNothing()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        var run = world.Start("@scenario shell cmd=\"touch asked.txt\"");
        world.Gateway.Send(Commands.Allow(await world.QuestionAsync(run), """{"command":"touch changed.txt","description":"other"}"""));
        await world.EndAsync(run);
        Assert.False(world.Has("asked.txt"));
        Assert.Equal(Adapter.Has(Promises.ChangedInput), world.Has("changed.txt"));
        if (!Adapter.Has(Promises.ChangedInput))
            Assert.Contains(world.Of(run, "log"), log => log.GetProperty("content").GetString()!.Contains("changed input", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Interrupt_WhileTheModelStreams_EndsTheRun_AndTheNextOneWorks()
    {
        var world = await SharedAsync();
        var run = world.Start("@scenario slow chunks=2000 delay_ms=50");
        await world.HearAsync(run, "text.delta");
        world.Gateway.Send(Commands.Interrupt(run, "canceled"));
        var end = await world.EndAsync(run);
        Assert.Equal("canceled", Outcome(end));
        Assert.Null(Code(end));
        Assert.Equal("again", Result(await world.RunAsync("@scenario say text=again")));
    }

    [Fact]
    public async Task Interrupt_WhileAsking_WithdrawsTheQuestion_AndALateAnswerChangesNothing()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        var run = world.Start(Touch);
        var question = await world.QuestionAsync(run);
        world.Gateway.Send(Commands.Interrupt(run, "timed_out"));
        Assert.Equal("timed_out", Outcome(await world.EndAsync(run)));
        Assert.Equal(question, Assert.Single(world.Of(run, "permission.withdrawn")).GetProperty("request_id").GetString());
        world.Gateway.Send(Commands.Allow(question));
        Assert.Equal("again", Result(await world.RunAsync("@scenario say text=again")));
        Assert.False(world.Has("made.txt"));
        Assert.Empty(world.Of(run, "permission.received"));
    }

    [Fact]
    public async Task Message_IntoTheRunningTurn_IsTaken_OrRefusedInWords()
    {
        var world = await SharedAsync();
        var run = world.Start("@scenario slow chunks=60 delay_ms=50");
        await world.HearAsync(run, "text.delta");
        world.Gateway.Send(Commands.Message(run, "msg_1", "@scenario say text=\"heard you\""));
        if (Adapter.Has(Promises.Messages))
        {
            Assert.Equal("msg_1", (await world.HearAsync(run, "message.received")).GetProperty("message_id").GetString());
            var end = await world.EndAsync(run);
            Assert.Equal("completed", Outcome(end));
            Assert.Contains("heard you", world.Text(run, "text"), StringComparison.Ordinal);
            return;
        }

        var refusal = await world.HearAsync(run, "message.refused");
        Assert.Equal("msg_1", refusal.GetProperty("message_id").GetString());
        Assert.EndsWith(".", refusal.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
    }

    [Fact]
    public async Task Commands_DeliveredTwice_CountOnce()
    {
        if (!Adapter.Has(Promises.Permissions))
            return;
        var world = await SharedAsync();
        world.SendTwice(world.NewRun("@scenario shell cmd=\"echo once >> log.txt\""));
        var question = await world.QuestionAsync(world.LastRun);
        world.SendTwice(Commands.Allow(question));
        Assert.Equal("completed", Outcome(await world.EndAsync(world.LastRun)));
        Assert.Single(world.Of(world.LastRun, "run.started"));
        Assert.True(world.Of(world.LastRun, "permission.received").Count() == 1, string.Join("|", world.Gateway.Events.Select(e => e.Type)));
        if (Adapter.RunsProgram)
            Assert.Equal("once\n", await File.ReadAllTextAsync(Path.Combine(world.Workspace, "log.txt")));
        else
            Assert.False(world.Has("log.txt"));
        world.SendTwice(world.NewRun("@scenario slow chunks=2000 delay_ms=50"));
        await world.HearAsync(world.LastRun, "text.delta");
        world.SendTwice(Commands.Interrupt(world.LastRun, "canceled"));
        Assert.Equal("canceled", Outcome(await world.EndAsync(world.LastRun)));
        Assert.Single(world.Of(world.LastRun, "run.finished"));
        Assert.Empty(world.Gateway.Faults);
    }

    // An agent that never asks must not be one that asks and is not heard: in any mode the run ends without a question.
    private async Task AssertAsksNothingAsync()
    {
        var world = await SharedAsync();
        await world.RunAsync(Touch);
        Assert.Empty(world.Of(world.LastRun, "permission.request"));
    }
}
