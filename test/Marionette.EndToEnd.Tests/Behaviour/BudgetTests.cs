using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>A budget that is used up asks in the inbox, and its answer is what becomes of the task.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class BudgetTests(SharedStack shared)
{
    /// <summary>Uses 150 tokens and works until it is interrupted; continued, it is done.</summary>
    private const string Agent = """
        import json, sys
        if not json.loads(sys.stdin.readline())["data"]["continuation"]:
            print(json.dumps({"type": "usage", "data": {"input_tokens": 150, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}}), flush=True)
            while json.loads(sys.stdin.readline())["type"] != "interrupt": pass
        """;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Budget_Approved_TheTaskGoesOn()
    {
        var (session, task, request) = await HeldAsync();
        var id = request.Id();
        Assert.Equal("task", request.Text("budget"));
        Assert.Equal("budget", request.Text("category"));
        Assert.Contains("150 of 100 tokens", request.Text("description"));
        Assert.False(request.TryGetProperty("expires_at", out _));
        Assert.Equal("waiting_for_budget", (await Api.GetAsync($"/api/v1/tasks/{task}")).Text("status"));

        // "All of this session" means what its agent asks.
        var bulk = await Api.PostAsync("/api/v1/permissions/decide", new { decision = "deny", filter = new { session_id = session } });
        Assert.Equal(0, bulk.GetProperty("items").GetArrayLength());
        await Api.PostAsync($"/api/v1/permissions/{id}/approve", new { });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Equal(250, ended.GetProperty("budget").GetProperty("max_tokens").GetInt64());
        await AssertEventsAsync(session, "permission.requested", "permission.approved");
    }

    [Fact]
    public async Task Budget_Denied_TheTaskIsCanceledAndSaysWhy()
    {
        var (session, task, request) = await HeldAsync();
        await Api.PostAsync($"/api/v1/permissions/{request.Id()}/deny", new { reason = "enough" });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("canceled", ended.Text("status"));
        Assert.Equal("budget_denied", ended.GetProperty("error").Text("code"));
        Assert.Contains("enough", ended.GetProperty("error").Text("message"));
        await AssertEventsAsync(session, "permission.requested", "permission.denied");
    }

    [Fact]
    public async Task Budget_ContinuedElsewhere_TakesTheRequestAway()
    {
        var (session, task, request) = await HeldAsync();
        await Api.PostAsync($"/api/v1/tasks/{task}/continue", new { });
        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal("canceled", (await Api.GetAsync($"/api/v1/permissions/{request.Id()}")).Text("status"));
        using var late = await Api.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request.Id()}/deny", new { });
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
        await AssertEventsAsync(session, "permission.requested", "permission.canceled");
    }

    private async Task<(string Session, string Task, JsonElement Request)> HeldAsync()
    {
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "python3", "-c", Agent }, options = new { protocol = "lines" } });
        var task = await Api.SubmitAsync(session, "work", new { budget = new { max_tokens = 100 } });
        return (session, task, await Api.PermissionAsync(session));
    }

    private async Task AssertEventsAsync(string session, params string[] types) =>
        Assert.Equal(types, (await Api.EventsAsync(session)).Select(e => e.Text("type")!).Where(type => type.StartsWith("permission.", StringComparison.Ordinal)));
}
