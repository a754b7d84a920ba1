using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Messages into a task, the order of the queue, budgets and usage, through all layers.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class TaskFlowTests(SharedStack shared)
{
    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Message_ThatTheAgentDoesNotTake_FollowsAsATask()
    {
        var session = await CommandAsync("cat; echo; while [ ! -e go ]; do sleep 0.05; done");
        var task = await Api.SubmitAsync(session, "one");
        await using var events = new EventReader(() => Api, session);
        await events.SeenAsync("log");
        var later = await Api.SubmitAsync(session, "three");
        var receipt = await Api.PostAsync($"/api/v1/tasks/{task}/messages", new { text = "two" }, "once");
        Assert.Equal(receipt.Id(), (await Api.PostAsync($"/api/v1/tasks/{task}/messages", new { text = "two" }, "once")).Id());
        var follow = "task" + receipt.Id()[3..];
        await File.WriteAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "go"), "");

        await Api.TaskEndedAsync(later);
        Assert.Equal("two", (await Api.GetAsync($"/api/v1/tasks/{follow}")).Text("result"));
        var log = await Api.EventsAsync(session);
        Assert.Equal([task, follow, later], log.Of("task.completed").Select(e => e.Text("task_id")!));
        Assert.Single(log.Of("message.sent"));
        Assert.Equal(follow, Assert.Single(log.Of("message.queued")).Data().Text("task_id"));
    }

    [Fact]
    public async Task Message_ToAnEndedTaskOfASuspendedSession_WakesIt()
    {
        var session = await CommandAsync("cat");
        var task = (await Api.RunAsync(session, "one")).Id();
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await Api.SessionInAsync(session, "suspended");
        var receipt = await Api.PostAsync($"/api/v1/tasks/{task}/messages", new { text = "again" });
        Assert.Equal("queued", receipt.Text("status"));
        var follow = await Api.TaskEndedAsync(receipt.Text("task_id")!);
        Assert.Equal(("completed", "again", task), (follow.Text("status"), follow.Text("result"), follow.Text("continue_from")));
    }

    [Fact]
    public async Task Move_ChangesTheOrder()
    {
        var session = await CommandAsync("cat; echo; while [ ! -e go ]; do sleep 0.05; done");
        var first = await Api.SubmitAsync(session, "first");
        await using var events = new EventReader(() => Api, session);
        await events.SeenAsync("log");
        var a = await Api.SubmitAsync(session, "a");
        var b = await Api.SubmitAsync(session, "b");
        await Api.PostAsync($"/api/v1/tasks/{b}/move", new { before = a });
        await File.WriteAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "go"), "");
        await Api.TaskEndedAsync(a);
        Assert.Equal([first, b, a], (await Api.EventsAsync(session)).Of("task.started").Select(e => e.Text("task_id")!));
    }

    [Fact]
    public async Task Budget_OfTokens_PausesClaude_AndMoreLetsItCarryOn()
    {
        var session = await Stack.ClaudeAsync(new { permission_mode = "bypassPermissions" });
        var task = await Api.SubmitAsync(session, "@scenario multi n=4 cmd='echo step {i} >> steps.txt; sleep 0.3'", new { budget = new { max_tokens = 20_000 } });
        await StatusAsync(task, "waiting_for_budget");
        var held = await Api.GetAsync($"/api/v1/tasks/{task}");
        Assert.Contains("tokens", held.Text("reason"), StringComparison.Ordinal);
        Assert.Equal("waiting_for_budget", (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("phase"));

        var going = await Api.PostAsync($"/api/v1/tasks/{task}/continue", new { budget = new { max_tokens = 100_000_000 } });
        Assert.Equal(100_000_000, going.GetProperty("budget").Number("max_tokens"));
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        Assert.True(ended.GetProperty("usage").Number("turns") > 0);
        var log = await Api.EventsAsync(session);
        Assert.Equal("task", Assert.Single(log.Of("budget.exceeded")).Data().Text("scope"));
        Assert.Single(log.Of("task.held"));
        Assert.Single(log.Of("task.released"));
        Assert.Equal(2, (await Api.GetAsync($"/api/v1/tasks/{task}/runs")).Items().Count);
        // One conversation: the second run knew what the first had done.
        Assert.Single(log.Of("task.started").Select(e => e.Data().Text("conversation_id")).Distinct());
    }

    [Fact]
    public async Task Budget_OfTheTenant_HoldsWhatIsNew_UntilItIsRaised_AndUsageSaysWhy()
    {
        var tenant = await Stack.OtherTenantAsync("spender");
        var session = await Stack.ClaudeAsync(new { labels = new { team = "web" } }, tenant);
        Assert.Equal("completed", (await tenant.RunAsync(session, "@scenario say text=hello")).Text("status"));
        var usage = await tenant.GetAsync("/api/v1/usage?group_by=label:team");
        Assert.Equal("web", usage.Items()[0].Text("key"));
        Assert.Equal(1, usage.Number("runs"));
        var used = usage.GetProperty("total").GetProperty("cost_usd").GetDecimal();
        Assert.True(used > 0);

        await PutAsync(tenant, new { max_cost_usd = used, period = "total" });
        var other = await Stack.ClaudeAsync(null, tenant);
        var task = await tenant.SubmitAsync(other, "@scenario say text=more");
        await StatusAsync(task, "waiting_for_budget", tenant);
        Assert.Contains("tenant", (await tenant.GetAsync($"/api/v1/tasks/{task}")).Text("reason"), StringComparison.Ordinal);
        await PutAsync(tenant, new { max_cost_usd = used * 100, period = "total" });
        await tenant.PostAsync($"/api/v1/tasks/{task}/continue", new { });
        Assert.Equal("completed", (await tenant.TaskEndedAsync(task)).Text("status"));
        // Other tenants never notice.
        Assert.Equal("completed", (await Api.RunAsync(await CommandAsync("cat"), "x")).Text("status"));
    }

    [Fact]
    public async Task ContinueFrom_AndNewConversation_ChooseTheConversation()
    {
        var session = await Stack.ClaudeAsync();
        var first = await Api.RunAsync(session, "@scenario say text=one");
        var second = await Api.RunAsync(session, "@scenario say text=two", new { conversation = "new" });
        var third = await Api.RunAsync(session, "@scenario say text=three", new { continue_from = first.Id() });
        Assert.All([first, second, third], view => Assert.Equal("completed", view.Text("status")));
        Assert.NotEqual(first.Text("conversation_id"), second.Text("conversation_id"));
        Assert.Equal(first.Text("conversation_id"), third.Text("conversation_id"));

        using var foreign = await Api.SendAsync(
            HttpMethod.Post, "/api/v1/tasks", new { session_id = await CommandAsync("cat"), prompt = "x", continue_from = first.Id() });
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, foreign.StatusCode);
    }

    private Task<string> CommandAsync(string script) => Api.CreateSessionAsync(new { agent = "command", command = new[] { "sh", "-c", script } });

    private Task StatusAsync(string task, string status, Api? api = null)
    {
        JsonElement view = default;
        return Wait.ForAsync(
            async () => (view = await (api ?? Api).GetAsync($"/api/v1/tasks/{task}")).Text("status") == status, $"{task} to be {status}", () => view.ToString());
    }

    private static async Task PutAsync(Api api, object budget)
    {
        using var answer = await api.SendAsync(HttpMethod.Put, "/api/v1/budget", budget);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }
}
