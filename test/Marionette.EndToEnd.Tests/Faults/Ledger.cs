using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>What must hold of every session after any fault: its log is whole, and what the API shows is what the log says.</summary>
internal static class Ledger
{
    private static readonly string[] Ends = ["task.completed", "task.failed", "task.canceled", "task.timed_out"];

    /// <summary>Checks, and returns the log as it is stored.</summary>
    public static async Task<List<JsonElement>> AssertSoundAsync(Api api, string session)
    {
        List<JsonElement> events = [];
        JsonElement view = default;
        // A connection that comes or goes is written at any time: the two answers must be of the same moment.
        await Wait.ForAsync(
            async () =>
            {
                events.AddRange(await EventsAsync(api, session, events.Count));
                view = await api.GetAsync($"/api/v1/sessions/{session}");
                return view.GetProperty("last_seq").GetInt64() == events.Count;
            },
            "the log and the view to agree", () => $"{events.Count} events; {view}");

        Assert.Equal(Enumerable.Range(1, events.Count).Select(n => (long)n), events.Select(e => e.GetProperty("seq").GetInt64()));
        AssertSession(events, view);
        foreach (var task in events.Where(e => e.Text("type") == "task.created").Select(e => e.Text("task_id")))
            await AssertTaskAsync(api, [.. events.Where(e => e.MaybeText("task_id") == task)], task);
        return events;
    }

    public static async Task<List<JsonElement>> EventsAsync(Api api, string session, long after = 0)
    {
        var events = new List<JsonElement>();
        while (true)
        {
            var page = await api.GetAsync($"/api/v1/sessions/{session}/events?limit=200&after={after + events.Count}");
            events.AddRange(page.GetProperty("items").EnumerateArray());
            if (!page.GetProperty("has_more").GetBoolean()) return events;
        }
    }

    /// <summary>A fold of the test's own, from the documentation of the events alone.</summary>
    private static void AssertSession(List<JsonElement> events, JsonElement view)
    {
        string status = "", runner = "";
        long epoch = 0;
        foreach (var e in events)
        {
            var data = e.GetProperty("data");
            switch (e.Text("type"))
            {
                case "session.created":
                    status = "pending";
                    break;
                case "session.activated" or "session.suspended" or "session.resuming" or "session.terminated" or "session.failed":
                    status = e.Text("type")["session.".Length..].Replace("activated", "active", StringComparison.Ordinal);
                    break;
                case "runner.assigned":
                    runner = data.Text("runner_id");
                    Assert.Equal(++epoch, data.GetProperty("epoch").GetInt64());
                    break;
                case "runner.released" or "runner.lost":
                    Assert.Equal((runner, epoch), (data.Text("runner_id"), data.GetProperty("epoch").GetInt64()));
                    runner = "";
                    break;
            }
        }

        Assert.Equal((status, runner, epoch), (view.Text("status"), view.MaybeText("runner_id") ?? "", view.GetProperty("epoch").GetInt64()));
    }

    private static async Task AssertTaskAsync(Api api, List<JsonElement> events, string task)
    {
        var view = await api.GetAsync($"/api/v1/tasks/{task}");
        var ends = events.Where(e => Ends.Contains(e.Text("type"))).Select(e => e.Text("type")["task.".Length..]).ToList();
        if (ends.Count == 0) Assert.Contains(view.Text("status"), (string[])["queued", "running", "waiting_permission"]);
        else Assert.Equal(view.Text("status"), Assert.Single(ends));

        var dispatched = events.Where(e => e.Text("type") == "task.dispatched").ToList();
        var runs = await api.RunsAsync(task);
        Assert.Equal(dispatched.Select(e => e.Text("run_id")), runs.Select(run => run.Text("id")));
        Assert.Equal(Enumerable.Range(1, runs.Count), runs.Select(run => run.GetProperty("attempt").GetInt32()));
        // No run speaks once the task has gone on without it.
        for (var i = 0; i + 1 < dispatched.Count; i++)
            Assert.DoesNotContain(events.SkipWhile(e => !Same(e, dispatched[i + 1])), e => e.MaybeText("run_id") == dispatched[i].Text("run_id"));
    }

    private static bool Same(JsonElement a, JsonElement b) => a.GetProperty("seq").GetInt64() == b.GetProperty("seq").GetInt64();
}
