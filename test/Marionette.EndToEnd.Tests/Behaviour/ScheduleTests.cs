using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Scheduled tasks over the shipped programs, with a program as the agent: the clock is the real one.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class ScheduleTests(SharedStack shared)
{
    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Occurrences_RunInTheSession_AndHandTheirResultsOn()
    {
        var session = await EchoAsync();
        var schedule = await CreateAsync(new
        {
            name = "echo", session_id = session, cron_expression = "*/2 * * * * *", prompt_template = "run {{run_number}} at {{scheduled_at}} after {{last_status}}",
            overlap_policy = "queue", labels = new { team = "web" },
        });
        var done = await HistoryAsync(schedule, items => items.Count(item => item.Text("status") == "completed") >= 3);
        await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/pause", new { reason = "enough" });

        var first = done.Single(item => item.TryGetProperty("run_number", out var number) && number.GetInt64() == 1);
        var second = done.Single(item => item.TryGetProperty("run_number", out var number) && number.GetInt64() == 2);
        var task = await Api.GetAsync($"/api/v1/tasks/{second.Text("task_id")}");
        Assert.Equal($"run 2 at {second.GetProperty("scheduled_at").GetDateTime():yyyy-MM-dd'T'HH:mm:ss}+00:00 after completed", task.Text("prompt"));
        Assert.Equal(("web", schedule), (task.GetProperty("labels").Text("team"), task.GetProperty("labels").Text("scheduled_task_id")));
        Assert.Equal(session, first.Text("session_id"));
        Assert.Equal(2, (second.GetProperty("scheduled_at").GetDateTime() - first.GetProperty("scheduled_at").GetDateTime()).TotalSeconds);
        // Never early. How late is the machine's matter, and the benchmarks' to tell.
        Assert.All(done.Where(item => item.Text("status") == "completed").SkipLast(1), item =>
            Assert.True(item.GetProperty("started_at").GetDateTime() >= item.GetProperty("scheduled_at").GetDateTime(), item.ToString()));
        var view = await Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}");
        Assert.Equal(("paused", "enough"), (view.Text("status"), view.Text("reason")));
        Assert.False(view.TryGetProperty("next_run_at", out _));
        Assert.True(view.Number("run_count") >= 3);
    }

    [Fact]
    public async Task Trigger_IsATaskNow_AlsoWhilePaused_AndOnceForItsKey()
    {
        var schedule = await CreateAsync(new { name = "yearly", session_id = await EchoAsync(), cron_expression = "0 0 1 1 *", prompt_template = "by hand {{run_number}}" });
        await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/pause", new { });
        var task = await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/trigger", new { }, "t1");
        Assert.Equal(task.Id(), (await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/trigger", new { }, "t1")).Id());
        Assert.Equal("by hand 1", task.Text("prompt"));
        Assert.Equal("completed", (await Api.TaskEndedAsync(task.Id())).Text("status"));
        var history = await HistoryAsync(schedule, items => items.All(item => item.Text("status") == "completed"));
        Assert.Equal("manual", Assert.Single(history).Text("trigger"));

        var resumed = await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/resume", new { });
        Assert.Equal("active", resumed.Text("status"));
        Assert.Equal(task.Id(), resumed.Text("last_task_id"));
    }

    [Fact]
    public async Task OwnSession_IsMadeForEachOccurrence_AndEndedAfterIt()
    {
        var schedule = await CreateAsync(new
        {
            name = "fresh", cron_expression = "0 0 1 1 *", prompt_template = "hello", session = new { agent = "command", command = new[] { "cat" }, labels = new { kind = "nightly" } },
        });
        var tasks = new List<JsonElement>();
        for (var i = 1; i <= 2; i++)
        {
            tasks.Add(await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/trigger", new { }));
            await HistoryAsync(schedule, items => items.Count(item => item.Text("status") == "completed") == i);
        }

        Assert.NotEqual(tasks[0].Text("session_id"), tasks[1].Text("session_id"));
        foreach (var task in tasks)
        {
            var session = await Api.SessionInAsync(task.Text("session_id")!, "terminated");
            Assert.Equal(("nightly", schedule), (session.GetProperty("labels").Text("kind"), session.GetProperty("labels").Text("scheduled_task_id")));
        }
    }

    [Fact]
    public async Task SessionEnds_TheScheduleIsDisabled_AndSaysWhy()
    {
        var session = await EchoAsync();
        var schedule = await CreateAsync(new { name = "orphan", session_id = session, cron_expression = "0 0 1 1 *", prompt_template = "hello" });
        using (var ended = await Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")) Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        using var refused = await Api.SendAsync(HttpMethod.Post, $"/api/v1/scheduled-tasks/{schedule}/trigger", new { });
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        var view = await Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}");
        Assert.Equal("disabled", view.Text("status"));
        Assert.Contains(session, view.Text("reason"));
        Assert.Equal(1, view.Number("failure_count"));
    }

    [Fact]
    public async Task Delete_TakesItOutOfEverything()
    {
        var session = await EchoAsync("sleep 600");
        var schedule = await CreateAsync(new { name = "gone", cron_expression = "0 0 1 1 *", prompt_template = "x", session = new { agent = "command", command = new[] { "sleep", "600" } } });
        var task = await Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/trigger", new { });
        using (var deleted = await Api.SendAsync(HttpMethod.Delete, $"/api/v1/scheduled-tasks/{schedule}")) Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using (var gone = await Api.SendAsync(HttpMethod.Get, $"/api/v1/scheduled-tasks/{schedule}")) Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.DoesNotContain((await Api.GetAsync("/api/v1/scheduled-tasks?limit=200")).Items(), item => item.Id() == schedule);
        await Api.SessionInAsync(task.Text("session_id")!, "terminated"); // its own session goes with it
        Assert.NotEqual("terminated", (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("status"));
    }

    [Fact]
    public async Task CommandLine_CoversTheLifeOfASchedule()
    {
        var session = await EchoAsync();
        var made = await MarionetteAsync("scheduled-tasks", "create", "--session", session, "--name", "cli", "--cron", "0 9 * * MON", "--timezone", "Europe/Berlin",
            "--prompt", "weekly {{date}}", "--overlap", "queue", "--labels", "team=cli", "-o", "json");
        var id = made.Json.Id();
        Assert.Contains(id, (await MarionetteAsync("stask", "list", "--labels", "team=cli")).Output);
        Assert.Equal("other", (await MarionetteAsync("scheduled-tasks", "update", id, "--name", "other", "-o", "json")).Json.Text("name"));
        Assert.Contains("paused", (await MarionetteAsync("scheduled-tasks", "pause", id)).Output);
        var task = (await MarionetteAsync("scheduled-tasks", "trigger", id, "-o", "json")).Json;
        await Api.TaskEndedAsync(task.Id());
        await HistoryAsync(id, items => items.All(item => item.Text("status") == "completed"));
        Assert.Contains(task.Id(), (await MarionetteAsync("scheduled-tasks", "history", id)).Output);
        Assert.Contains("active", (await MarionetteAsync("scheduled-tasks", "resume", id)).Output);
        Assert.Contains("other", (await MarionetteAsync("scheduled-tasks", "get", id)).Output);
        await MarionetteAsync("scheduled-tasks", "delete", id);
        Assert.Equal(1, (await CommandLine.RunAsync(shared.Stack, "scheduled-tasks", "get", id)).ExitCode);
    }

    private Task<string> EchoAsync(string program = "cat") => Api.CreateSessionAsync(new { agent = "command", command = new[] { "sh", "-c", program } });

    private async Task<string> CreateAsync(object body) => (await Api.PostAsync("/api/v1/scheduled-tasks", body)).Id();

    private async Task<List<JsonElement>> HistoryAsync(string schedule, Func<List<JsonElement>, bool> enough)
    {
        List<JsonElement> items = [];
        await Wait.ForAsync(
            async () =>
            {
                items = (await Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}/history?limit=200")).Items();
                return items.Count > 0 && enough(items);
            },
            "the schedule's history", () => string.Join('\n', items));
        return items;
    }

    private Task<CommandResult> MarionetteAsync(params string[] arguments) => shared.Stack.MarionetteAsync(arguments);
}
