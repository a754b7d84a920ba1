using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>A tenant that has one of everything, and another that must not see it.</summary>
public sealed class AbuseWorld(SharedStack shared) : IAsyncLifetime
{
    private static readonly string[] Lists = ["sessions", "tasks", "permissions", "runners", "keys", "policies", "permission-hooks", "scheduled-tasks", "agent-configs", "profiles", "snapshots"];

    internal string Url => shared.Stack.ApiUrl;

    internal Stack Stack => shared.Stack;

    /// <summary>The owner.</summary>
    internal Api Owner { get; private set; } = null!;

    /// <summary>A whole key of another tenant.</summary>
    internal Api Stranger { get; private set; } = null!;

    internal IReadOnlyList<Operation> Operations { get; private set; } = [];

    /// <summary>An id of the owner's by collection.</summary>
    internal Dictionary<string, string> Ids { get; } = [];

    public async ValueTask InitializeAsync()
    {
        Operations = await Contract.ReadAsync(shared.Stack.Api);
        Owner = await shared.Stack.OtherTenantAsync("abuse-" + Guid.NewGuid().ToString("N")[..8]);
        Stranger = await shared.Stack.OtherTenantAsync("stranger-" + Guid.NewGuid().ToString("N")[..8]);
        Ids["sessions"] = await shared.Stack.ClaudeAsync(api: Owner);
        Ids["tasks"] = (await Owner.RunAllowedAsync(Ids["sessions"], "@scenario shell cmd='echo x > x.txt'")).Id();
        // It comes a second after the run, and what a picture of "nothing has changed" holds must not move by itself.
        await Wait.ForAsync(async () => (await Owner.GetAsync($"/api/v1/sessions/{Ids["sessions"]}")).TryGetProperty("recovery_point", out _), "the session's checkpoint");
        Ids["snapshots"] = (await Owner.GetAsync($"/api/v1/sessions/{Ids["sessions"]}")).GetProperty("recovery_point").Text("workspace")!;
        Ids["permissions"] = (await Owner.GetAsync("/api/v1/permissions")).Items()[0].Id();
        Ids["runners"] = (await Owner.GetAsync("/api/v1/runners")).Items()[0].Id();
        Ids["policies"] = (await Owner.PostAsync("/api/v1/policies", new { effect = "ask", tools = new[] { "NoSuchTool" } })).Id();
        Ids["permission-hooks"] = (await Owner.PostAsync("/api/v1/permission-hooks", new { url = "https://hooks.example.com/x", categories = new[] { "plan" } })).GetProperty("hook").Id();
        Ids["agent-configs"] = (await Owner.PostAsync("/api/v1/agent-configs", new { name = "mine", agent = "command", api_key = "sk-owner" })).Id();
        Ids["profiles"] = (await Owner.PostAsync("/api/v1/profiles", new { name = "mine" })).Id();
        Ids["scheduled-tasks"] = (await Owner.PostAsync("/api/v1/scheduled-tasks", new { name = "mine", cron_expression = "0 0 1 1 *", prompt_template = "x", session_id = Ids["sessions"] })).Id();
        Ids["pools"] = "none"; // They belong to no tenant, and this stack has none.
        Ids["keys"] = (await Owner.GetAsync("/api/v1/keys")).Items()[0].Id();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>An id of the same kind that nothing has.</summary>
    internal string Missing(string collection) => Ids[collection][..^4] + (Ids[collection].EndsWith("zzzz", StringComparison.Ordinal) ? "yyyy" : "zzzz");

    /// <summary>A key that may call it: the operator's for what belongs to no tenant.</summary>
    internal Api KeyOf(Operation operation) => operation.IsOperators ? Stack.Api : Owner;

    /// <summary>The operation's path with an id of the owner's.</summary>
    internal string Own(Operation operation) => operation.HasId ? operation.With(Ids[operation.Collection]) : operation.Path;

    /// <summary>A body that the operation would take.</summary>
    internal Dictionary<string, object?> GoodBody(Operation operation) => operation.Path switch
    {
        "/api/v1/sessions" => new() { ["agent"] = "claude" },
        "/api/v1/tasks" => new() { ["session_id"] = Ids["sessions"], ["prompt"] = "@scenario say text=hi" },
        "/api/v1/keys" => new() { ["name"] = "made in vain" },
        "/api/v1/policies" => new() { ["effect"] = "ask" },
        "/api/v1/policies/test" => new() { ["request"] = new { tool = "Bash", command = "ls" } },
        "/api/v1/policies/{id}/move" => new() { ["position"] = 0 },
        "/api/v1/permission-hooks" or "/api/v1/permission-hooks/{id}" => new() { ["url"] = "https://hooks.example.com/y" },
        "/api/v1/permissions/decide" => new() { ["ids"] = new[] { Missing("permissions") }, ["decision"] = "deny" },
        "/api/v1/permissions/{id}/delegate" => new() { ["to"] = "ann" },
        "/api/v1/permissions/{id}/links" => new() { ["actor"] = "ann" },
        "/api/v1/tasks/{id}/messages" => new() { ["text"] = "more" },
        "/api/v1/scheduled-tasks" => new() { ["name"] = "x", ["cron_expression"] = "0 0 1 1 *", ["prompt_template"] = "x", ["session_id"] = Ids["sessions"] },
        "/api/v1/pools/{pool}/tokens" => new() { ["name"] = "x" },
        "/api/v1/profiles" => new() { ["name"] = "x" },
        "/api/v1/sessions/{id}/restore" => new() { ["checkpoint_id"] = "ckpt_0000000000000000" },
        "/api/v1/sessions/{id}/extend" => new() { ["seconds"] = 3600 },
        "/api/v1/sessions/{id}/network/allow" => new() { ["host"] = "api.example.com:443" },
        "/api/v1/agent-configs" => new() { ["name"] = "x", ["agent"] = "claude" },
        _ => [],
    };

    /// <summary>Everything that a refused request could have changed.</summary>
    internal async Task<string> FingerprintAsync()
    {
        var parts = new List<string>();
        foreach (var list in Lists)
        {
            var page = await Owner.GetAsync($"/api/v1/{list}?limit=200");
            parts.Add($"{list}: {page.Number("total_count")} {string.Join(' ', page.Items().Select(item => item.Id() + "=" + item.Text("status") + item.Text("revoked_at")))}");
        }

        var session = await Owner.GetAsync($"/api/v1/sessions/{Ids["sessions"]}");
        parts.Add($"seq {session.Number("last_seq")} queued {session.Number("queued_tasks")}");
        return string.Join('\n', parts);
    }

    /// <summary>Ends a session that a test made, and waits until nothing of it changes any more: the next test compares.</summary>
    internal async Task EndAsync(string session)
    {
        (await Owner.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")).Dispose();
        await Wait.ForAsync(
            async () => (await Owner.GetAsync($"/api/v1/sessions/{session}")).Text("status") == "terminated"
                && (await Owner.GetAsync("/api/v1/runners?limit=200")).Items().Where(runner => runner.Text("session_id") == session)
                    .All(runner => runner.Text("status") is "released" or "lost"),
            $"the end of {session}");
    }

    internal static StringContent Json(object? body) => Raw(JsonSerializer.Serialize(body));

    internal static StringContent Raw(string text) => new(text, System.Text.Encoding.UTF8, "application/json");
}
