using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Lists: every filter, and every page by its cursor.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class ListTests(SharedStack shared)
{
    [Fact]
    public async Task Lists_ByFilterAndCursor_AreWhole()
    {
        var api = await shared.Stack.OtherTenantAsync("lists-" + Guid.NewGuid().ToString("N")[..8]);
        var sessions = new List<string>();
        for (var i = 0; i < 5; i++)
            sessions.Add(await shared.Stack.ClaudeAsync(new { name = $"s{i}", labels = new Dictionary<string, string> { ["team"] = i % 2 == 0 ? "web" : "api", ["n"] = $"{i}" } }, api));
        var asked = new List<string>();
        foreach (var session in sessions.Take(2))
        {
            asked.Add((await api.RunAllowedAsync(session, "@scenario shell cmd='echo x > x.txt'")).Id());
            asked.Add((await api.RunAsync(session, "@scenario say text=hi", new { labels = new Dictionary<string, string> { ["kind"] = "greeting" } })).Id());
        }

        (await api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{sessions[0]}")).Dispose();
        await api.SessionInAsync(sessions[0], "terminated");

        await AssertListAsync(api, "sessions", "", sessions);
        await AssertListAsync(api, "sessions", "&status=pending", sessions[2..]);
        await AssertListAsync(api, "sessions", "&status=active&status=terminated", sessions[..2]);
        await AssertListAsync(api, "sessions", "&status=active,terminated", sessions[..2]);
        await AssertListAsync(api, "sessions", "&labels[team]=web", [sessions[0], sessions[2], sessions[4]]);
        await AssertListAsync(api, "sessions", "&labels[team]=web&labels[n]=2", [sessions[2]]);
        await AssertListAsync(api, "sessions", "&agent=claude&lifecycle_mode=on_demand", sessions);
        await AssertListAsync(api, "sessions", "&agent=command", []);
        await AssertListAsync(api, "tasks", "", asked);
        await AssertListAsync(api, "tasks", $"&session_id={sessions[1]}", asked[2..]);
        await AssertListAsync(api, "tasks", "&labels[kind]=greeting", [asked[1], asked[3]]);
        await AssertListAsync(api, "tasks", "&status=completed", asked);
        await AssertListAsync(api, "tasks", "&status=failed", []);

        var permissions = (await api.GetAsync("/api/v1/permissions")).Items();
        Assert.Equal([asked[2], asked[0]], permissions.Select(request => request.Text("task_id")!));
        List<string> requests = [permissions[1].Id(), permissions[0].Id()];
        await AssertListAsync(api, "permissions", "", requests);
        await AssertListAsync(api, "permissions", $"&task_id={asked[0]}", [requests[0]]);
        await AssertListAsync(api, "permissions", $"&session_id={sessions[1]}&status=approved&risk_level=high", [requests[1]]);
        await AssertListAsync(api, "permissions", "&status=pending", []);
        var runners = (await api.GetAsync("/api/v1/runners")).Items();
        Assert.Equal(2, runners.Count);
        await AssertListAsync(api, "runners", "", [.. runners.Select(runner => runner.Id()).Reverse()]);
        await AssertListAsync(api, "runners", "&status=online", [runners[0].Id()]);
        Assert.Equal(sessions[1], (await api.GetAsync($"/api/v1/runners/{runners[0].Id()}")).Text("session_id"));

        for (var i = 0; i < 3; i++) await api.PostAsync("/api/v1/keys", new { name = $"key {i}" });
        await AssertListAsync(api, "keys", "", [.. (await api.GetAsync("/api/v1/keys")).Items().Select(key => key.Id()).Reverse()]);
        Assert.Equal(["acp", "claude", "codex", "command", "replay"], (await api.GetAsync("/api/v1/agents")).Items().Select(agent => agent.Text("name")!).Order());
    }

    /// <summary>The same list at once and page by page: newest first, each once, counted right.</summary>
    private static async Task AssertListAsync(Api api, string list, string query, IReadOnlyList<string> oldestFirst)
    {
        var expected = oldestFirst.Reverse().ToList();
        foreach (var limit in new[] { 1, 2, 200 })
        {
            var seen = new List<string>();
            var cursor = "";
            while (true)
            {
                var page = await api.GetAsync($"/api/v1/{list}?limit={limit}{query}{cursor}");
                Assert.True(page.Number("total_count") == expected.Count, $"{list}{query}: {page}");
                Assert.True(page.Items().Count <= limit);
                seen.AddRange(page.Items().Select(item => item.Id()));
                if (!page.GetProperty("has_more").GetBoolean()) break;
                cursor = $"&cursor={page.Text("next_cursor")}";
            }

            Assert.Equal(expected, seen);
        }
    }
}
