using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Tasks of a session: one after another, canceled, out of time, tried again, counted.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class TaskTests(SharedStack shared)
{
    private const string Slow = "@scenario slow chunks=2000 delay_ms=50", Short = "@scenario slow chunks=40 delay_ms=50";

    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Cancel_WhileItTalks_EndsItAndKeepsTheProcessForTheNext()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Slow);
        await using var events = new EventReader(() => Api, session);
        await events.SeenAsync("text.delta", 3);
        var claude = ProcessTable.Claude(await Stack.AgentPidAsync(session));

        await Api.PostAsync($"/api/v1/tasks/{task}/cancel", new { reason = "enough" });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("canceled", ended.Text("status"));
        await Api.PostAsync($"/api/v1/tasks/{task}/cancel", new { }); // a repeat changes nothing
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario say text=next")).Text("status"));

        Assert.Equal(claude, ProcessTable.Claude(await Stack.AgentPidAsync(session)));
        await events.SeenAsync("task.completed");
        Assert.Single(events.Types, type => type == "runner.assigned");
        Assert.Single(events.Types, type => type == "task.canceled");
        var requested = events.Events.Of("task.cancel_requested");
        Assert.Equal("enough", Assert.Single(requested).Data().Text("reason"));
        using var late = await Api.SendAsync(HttpMethod.Post, $"/api/v1/tasks/{(await Api.RunAsync(session, "@scenario say text=x")).Id()}/cancel");
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
    }

    [Fact]
    public async Task Cancel_WhileItAsks_WithdrawsTheRequest()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, "@scenario shell cmd='touch never.txt'");
        var request = await Api.PermissionAsync(session);
        await Api.PostAsync($"/api/v1/tasks/{task}/cancel", new { });
        Assert.Equal("canceled", (await Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal("canceled", (await Api.GetAsync($"/api/v1/permissions/{request.Id()}")).Text("status"));
        Assert.Empty((await Api.GetAsync($"/api/v1/permissions?session_id={session}&status=pending")).Items());
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario say text=next")).Text("status"));
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "never.txt")));
        var events = await Api.EventsAsync(session);
        Assert.Single(events.Of("permission.canceled"));
        Assert.Empty(events.Of("permission.delivered"));
    }

    [Fact]
    public async Task Queue_IsWorkedOffInOrder_AndAWaitingOneCanBeTakenOut()
    {
        var session = await Stack.ClaudeAsync();
        var first = await Api.SubmitAsync(session, "@scenario slow chunks=10 delay_ms=50");
        var second = await Api.SubmitAsync(session, "@scenario say text=second");
        var removed = await Api.SubmitAsync(session, "@scenario say text=removed");
        var third = await Api.SubmitAsync(session, "@scenario say text=third");
        await Api.PostAsync($"/api/v1/tasks/{removed}/cancel", new { });
        Assert.Equal("canceled", (await Api.GetAsync($"/api/v1/tasks/{removed}")).Text("status"));
        Assert.Equal("completed", (await Api.TaskEndedAsync(third)).Text("status"));

        var events = await Api.EventsAsync(session);
        Assert.Equal([first, second, third], events.Of("task.started").Select(e => e.Text("task_id")!));
        Assert.Equal([first, second, third], events.Of("task.completed").Select(e => e.Text("task_id")!));
        var bounds = events.Where(e => e.Text("type") is "task.started" or "task.completed").Select(e => e.Text("type")!.Split('.')[1]);
        Assert.Equal(["started", "completed", "started", "completed", "started", "completed"], bounds);
        Assert.Equal(0, (await Api.GetAsync($"/api/v1/sessions/{session}")).Number("queued_tasks"));
    }

    [Fact]
    public async Task Conversation_GoesOnOverTasks()
    {
        var session = await Stack.ClaudeAsync();
        await Api.RunAsync(session, "@scenario say text=\"My number is 7.\"");
        var conversation = (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("conversation_id");
        await Api.RunAsync(session, "@scenario say text=\"Still here.\"");
        Assert.NotNull(conversation);
        Assert.Equal(conversation, (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("conversation_id"));
        Assert.All((await Api.EventsAsync(session)).Of("task.started"), e => Assert.Equal(conversation, e.Data().Text("conversation_id")));

        // Claude Code's own transcript holds both exchanges: it was one conversation to it, too.
        var home = Path.Combine(await Stack.WorkspaceAsync(session), "..", "home");
        var transcript = await File.ReadAllTextAsync(Assert.Single(Directory.EnumerateFiles(home, conversation + ".jsonl", SearchOption.AllDirectories)));
        Assert.Contains("My number is 7.", transcript);
        Assert.Contains("Still here.", transcript);
    }

    [Fact]
    public async Task Workspace_OfAnEndedSession_IsGoneOnWithInANewOne()
    {
        var first = await Stack.ClaudeAsync();
        await Api.RunAllowedAsync(first, "@scenario write file=left.txt text=behind");
        var workspace = (await Api.GetAsync($"/api/v1/sessions/{first}")).Text("workspace_id")!;
        (await Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{first}")).Dispose();
        var second = await Stack.ClaudeAsync(new { workspace_id = workspace });
        Assert.Contains("behind", (await Api.RunAllowedAsync(second, "@scenario shell cmd='cat left.txt; touch seen.txt'")).Text("result"));

        // One that has had no runner yet can be named, too.
        var waiting = await Stack.ClaudeAsync();
        var named = (await Api.GetAsync($"/api/v1/sessions/{waiting}")).Text("workspace_id")!;
        Assert.Equal(named, (await Api.GetAsync($"/api/v1/sessions/{await Stack.ClaudeAsync(new { workspace_id = named })}")).Text("workspace_id"));
    }

    [Fact]
    public async Task Timeout_EndsTheRunAndTheNextTaskRuns()
    {
        var session = await Stack.ClaudeAsync();
        await Api.RunAsync(session, "@scenario say text=warm");
        var ended = await Api.RunAsync(session, Slow, new { timeout_seconds = 2 });
        Assert.Equal("timed_out", ended.Text("status"));
        var run = Assert.Single((await Api.GetAsync($"/api/v1/tasks/{ended.Id()}/runs")).Items());
        Assert.Equal("timed_out", run.Text("status"));
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario say text=next")).Text("status"));
        Assert.Equal("timed_out", Assert.Single((await Api.EventsAsync(session)).Of("task.cancel_requested")).Data().Text("outcome"));
    }

    [Fact]
    public async Task Refusal_OfTheModel_IsTheReasonOfTheFailure()
    {
        var session = await Stack.ClaudeAsync();
        var failed = await Api.RunAsync(session, "@scenario status code=404 times=always");
        Assert.Equal("failed", failed.Text("status"));
        Assert.Equal("model_error", failed.GetProperty("error").Text("code"));
        Assert.NotEmpty(failed.GetProperty("error").Text("message")!);
    }

    [Fact]
    public async Task Retry_OnRequest_IsANewRunOfTheSameTask()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Short);
        await KillClaudeAsync(session, 1);
        var failed = await Api.TaskEndedAsync(task);
        Assert.Equal("failed", failed.Text("status"));
        Assert.Equal("agent_killed", failed.GetProperty("error").Text("code"));

        await Api.PostAsync($"/api/v1/tasks/{task}/retry", new { }, "retry-once-" + task);
        await Api.PostAsync($"/api/v1/tasks/{task}/retry", new { }, "retry-once-" + task);
        var again = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", again.Text("status"));
        Assert.Equal(1, again.Number("retry_count"));
        var runs = (await Api.GetAsync($"/api/v1/tasks/{task}/runs")).Items();
        Assert.Equal([2L, 1L], runs.Select(run => run.Number("attempt")));
        Assert.Equal(["completed", "failed"], runs.Select(run => run.Text("status")!));
        Assert.Equal("agent_killed", runs[1].Text("error_code"));
        Assert.Equal("SIGKILL", runs[1].Text("signal"));
        Assert.False(again.TryGetProperty("error", out _));
    }

    [Fact]
    public async Task MaxRetries_TriesAgainByItself_AndGivesUpInTheEnd()
    {
        var session = await Stack.ClaudeAsync();
        var mended = await Api.SubmitAsync(session, Short, new { max_retries = 2 });
        await KillClaudeAsync(session, 1);
        var ended = await Api.TaskEndedAsync(mended);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Equal(1, ended.Number("retry_count"));
        Assert.Equal(1, (await Api.GetAsync($"/api/v1/tasks/{mended}/runs?status=failed")).Number("total_count"));

        var hopeless = await Api.SubmitAsync(session, Slow, new { max_retries = 1 });
        await KillClaudeAsync(session, 3);
        await KillClaudeAsync(session, 4);
        Assert.Equal("failed", (await Api.TaskEndedAsync(hopeless)).Text("status"));
        Assert.Equal([2L, 1L], (await Api.GetAsync($"/api/v1/tasks/{hopeless}/runs")).Items().Select(run => run.Number("attempt")));
    }

    [Fact]
    public async Task Usage_OfRunsTasksAndSession_AddsUp()
    {
        string[] members = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"];
        var session = await Stack.ClaudeAsync();
        var first = await Api.RunAllowedAsync(session, "@scenario multi n=2 cmd='echo step {i}'");
        var second = await Api.RunAsync(session, "@scenario say text=\"a few words more\"");
        var whole = (await Api.GetAsync($"/api/v1/sessions/{session}")).GetProperty("usage");
        var events = await Api.EventsAsync(session);
        foreach (var member in members)
        {
            Assert.Equal(first.GetProperty("usage").Number(member) + second.GetProperty("usage").Number(member), whole.Number(member));
            Assert.Equal(events.Of("usage").Where(e => e.Text("task_id") == first.Id()).Sum(e => e.Data().Number(member)), first.GetProperty("usage").Number(member));
        }

        decimal Cost(JsonElement view) => view.GetProperty("usage").GetProperty("cost_usd").GetDecimal();
        Assert.True(Cost(first) > 0 && Cost(second) > 0);
        Assert.Equal(Cost(first) + Cost(second), whole.GetProperty("cost_usd").GetDecimal());
        var run = Assert.Single((await Api.GetAsync($"/api/v1/tasks/{first.Id()}/runs")).Items());
        Assert.Equal(first.GetProperty("usage").ToString(), run.GetProperty("usage").ToString());
        Assert.Equal(run.Number("tokens_output"), run.GetProperty("usage").Number("output_tokens"));
        Assert.True(run.Number("duration_ms") > 0 && run.Number("turns") >= 3);
        Assert.True(first.GetProperty("usage").Number("output_tokens") > 0 && whole.Number("cache_read_tokens") > 0);
    }

    /// <summary>Ends Claude Code by force as soon as the run with this number has said something.</summary>
    private async Task KillClaudeAsync(string session, int run)
    {
        await Wait.ForAsync(
            async () =>
            {
                var events = await Api.EventsAsync(session);
                return events.Of("task.started").Count == run && events[^1].Text("type") == "text.delta";
            },
            $"run {run} to say something");
        ServerProcess.Signal(ProcessTable.Claude(await Stack.AgentPidAsync(session)), 9);
    }
}
