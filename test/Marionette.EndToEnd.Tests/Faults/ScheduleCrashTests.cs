using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The server dies around the second at which an occurrence is due; each occurrence is one task all the same.</summary>
public sealed class ScheduleCrashTests(ITestOutputHelper output)
{
    private const int Period = 5;

    [Fact]
    public async Task KillOfTheServer_AroundTheSecond_EachOccurrenceRunsOnce()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.Api.CreateSessionAsync(new { agent = "command", command = new[] { "sh", "-c", "cat >> ran.txt; echo >> ran.txt" } });
        var schedule = (await stack.Api.PostAsync("/api/v1/scheduled-tasks", new
        {
            name = "crash", session_id = session, cron_expression = $"*/{Period} * * * * *", prompt_template = "{{scheduled_at}}", overlap_policy = "queue", catch_up = "all",
        })).Text("id");
        await HistoryAsync(stack, schedule, items => items.Count(item => item.Text("status") == "completed") >= 2);

        // At the second and right after it: the write of the decision, the submit, and the write of its outcome all lie there. Every cut of the
        // steps between them is a property of the machine (ScheduleLawTests); here the real parts are killed.
        foreach (var offset in new[] { 0, 15 })
        {
            var due = (await stack.Api.GetAsync("/api/v1/scheduled-tasks")).GetProperty("items")[0].GetProperty("next_run_at").GetDateTime();
            await Wait.ForAsync(() => DateTime.UtcNow >= due.AddMilliseconds(offset), "the second");
            await stack.Server.KillAsync();
            await stack.StartServerAsync();
            var back = DateTime.UtcNow;
            // A call to the schedule's grain wakes it. Once the reminder has to do that alone, which takes up to a minute: then only rows are read.
            if (offset != 0) await stack.Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}");
            await Wait.ForAsync(
                async () => (await TasksAsync(stack, schedule)).Any(task => task.GetProperty("created_at").GetDateTime() > back),
                "an occurrence after the restart", () => stack.Server.Output, TimeSpan.FromSeconds(180));
            output.WriteLine($"killed at {offset} ms; occurrences again {(DateTime.UtcNow - back).TotalSeconds:0.0} s after the restart");
        }

        await stack.Api.PostAsync($"/api/v1/scheduled-tasks/{schedule}/pause", new { });
        var history = await HistoryAsync(stack, schedule, items => items.All(item => item.Text("status") is "completed" or "skipped"));
        await AssertOnceEachAsync(stack, session, schedule, history);
    }

    private static async Task AssertOnceEachAsync(Stack stack, string session, string schedule, List<JsonElement> history)
    {
        var view = await stack.Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}");
        var ran = history.Where(item => item.Text("status") == "completed").Select(item => item.GetProperty("scheduled_at").GetDateTime()).Order().ToList();
        Assert.Equal(ran.Count, view.GetProperty("run_count").GetInt64());
        Assert.Equal(ran.Distinct(), ran);
        // None is lost: what is between the first and the last comes every few seconds.
        var skipped = history.Where(item => item.Text("status") == "skipped").Select(item => item.GetProperty("scheduled_at").GetDateTime());
        var all = ran.Concat(skipped).Order().ToList();
        Assert.Equal(Enumerable.Range(0, all.Count).Select(i => all[0].AddSeconds(i * Period)), all);

        var tasks = await TasksAsync(stack, schedule);
        Assert.Equal(history.Where(item => item.Text("status") == "completed").Select(item => item.Text("task_id")).Order(), tasks.Select(task => task.Text("id")).Order());
        Assert.Single(tasks.Select(task => task.Text("session_id")).Distinct(), session);
        var workspace = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id");
        var lines = (await File.ReadAllLinesAsync(Path.Combine(stack.DataDirectory, "workspaces", workspace, "workspace", "ran.txt"))).Where(line => line.Length > 0);
        Assert.Equal(ran, lines.Select(line => DateTimeOffset.Parse(line).UtcDateTime).Distinct().Order());
        await Ledger.AssertSoundAsync(stack.Api, session);
    }

    private static async Task<List<JsonElement>> TasksAsync(Stack stack, string schedule)
    {
        var page = await stack.Api.GetAsync($"/api/v1/tasks?limit=200&labels[scheduled_task_id]={schedule}");
        Assert.False(page.GetProperty("has_more").GetBoolean());
        return [.. page.GetProperty("items").EnumerateArray()];
    }

    private static async Task<List<JsonElement>> HistoryAsync(Stack stack, string schedule, Func<List<JsonElement>, bool> enough)
    {
        List<JsonElement> items = [];
        await Wait.ForAsync(
            async () =>
            {
                items = [.. (await stack.Api.GetAsync($"/api/v1/scheduled-tasks/{schedule}/history?limit=200")).GetProperty("items").EnumerateArray()];
                return items.Count > 0 && enough(items);
            },
            "the schedule's history", () => $"{string.Join('\n', items.Take(10))}\n{stack.Server.Output}", TimeSpan.FromSeconds(180));
        return items;
    }
}
