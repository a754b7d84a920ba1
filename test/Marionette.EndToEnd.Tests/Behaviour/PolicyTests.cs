using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>One stack whose approval hooks may lie on loopback.</summary>
public sealed class HookStack : IAsyncLifetime
{
    internal Stack Stack { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Stack = await Stack.StartAsync(arguments: ["--allow-private-hooks", "true"]);

    public async ValueTask DisposeAsync()
    {
        if (Stack is not null) await Stack.DisposeAsync();
    }
}

/// <summary>Rules, remembered answers, escalation, two people, links and hooks, with the real agent. Each test is a tenant: rules hold for a whole one.</summary>
public sealed class PolicyTests(HookStack shared) : IClassFixture<HookStack>, IAsyncLifetime
{
    private const string Touch = "@scenario shell cmd='echo ran >> ran.txt'";

    private readonly Stack stack = shared.Stack;

    private Api Api { get; set; } = null!;

    public async ValueTask InitializeAsync() => Api = await stack.OtherTenantAsync("tenant-" + Guid.NewGuid().ToString("N")[..8]);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Rules_OfTheTenant_AllowAndDenyWithoutAPerson()
    {
        // "echo ran >> ran.txt" writes: no pattern may vouch for it, a rule for the whole tool may.
        await Api.PostAsync("/api/v1/policies", new { effect = "allow", tools = new[] { "Bash" }, risk_at_most = "high", name = "shell" });
        var session = await stack.ClaudeAsync(api: Api);
        Assert.Equal("completed", (await Api.RunAsync(session, Touch)).Text("status"));
        Assert.Equal("ran\n", await File.ReadAllTextAsync(Path.Combine(await stack.WorkspaceAsync(session, Api), "ran.txt")));

        var deny = await Api.PostAsync("/api/v1/policies", new { effect = "deny", commands = new[] { "echo *" }, reason = "no echoes here", name = "quiet", position = 0 });
        var other = await stack.ClaudeAsync(api: Api);
        Assert.Equal("completed", (await Api.RunAsync(other, Touch)).Text("status"));
        Assert.False(File.Exists(Path.Combine(await stack.WorkspaceAsync(other, Api), "ran.txt")));
        var events = await Api.EventsAsync(other);
        Assert.Contains("no echoes here", Assert.Single(events.Of("tool_result")).Data().Text("content"));
        Assert.Equal(deny.Id(), Assert.Single(events.Of("permission.denied")).Data().Text("rule_id"));
        Assert.Equal(["permission.requested", "permission.denied", "permission.delivered"], events.Select(e => e.Text("type")!).Where(t => t.StartsWith("permission.", StringComparison.Ordinal)));

        var past = await Api.PostAsync("/api/v1/policies/test", new { against = "past", rules = new[] { new { effect = "allow", tools = new[] { "*" } } } });
        Assert.Equal(["allow", "allow"], past.Items().Select(item => item.Text("effect")));
        await Api.PostAsync($"/api/v1/policies/{deny.Id()}/move", new { position = 5 });
        var test = await Api.PostAsync("/api/v1/policies/test", new { request = new { tool = "Bash", command = "echo x; sudo y" } });
        Assert.Equal(("deny", "critical"), (test.Items()[0].Text("effect"), test.Items()[0].Text("risk_level")));
        (await Api.SendAsync(HttpMethod.Delete, $"/api/v1/policies/{deny.Id()}")).Dispose();
        Assert.Single((await Api.GetAsync("/api/v1/policies")).Items());
    }

    [Fact]
    public async Task Remember_Session_TheSameQuestionIsNotAskedAgain_AlsoAfterARestart()
    {
        var session = await stack.ClaudeAsync(api: Api);
        var task = await Api.SubmitAsync(session, "@scenario shell cmd='touch made.txt'");
        var request = (await Api.PermissionAsync(session)).Id();
        var answer = await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { remember = "session" });
        Assert.Equal("touch made.txt", answer.GetProperty("rule").GetProperty("commands")[0].GetString());
        await Api.TaskEndedAsync(task);

        await stack.Server.KillAsync();
        await RestartAsync();
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario shell cmd='touch made.txt'")).Text("status"));
        var events = await Api.EventsAsync(session);
        Assert.Equal(2, events.Of("permission.approved").Count);
        Assert.Equal(answer.GetProperty("rule").Id(), events.Of("permission.approved").Last().Data().Text("rule_id"));
        Assert.Equal("session", (await Api.GetAsync($"/api/v1/sessions/{session}")).GetProperty("permission_rules")[0].Text("scope"));
    }

    [Fact]
    public async Task TwoPeople_Escalation_Delegation_AndALink_OverOneRequest()
    {
        var policy = new
        {
            required_approvals = 2, required_approvals_risk = "high", approvers = new[] { "ann" }, timeout_seconds = 600,
            escalation = new[] { new { after_seconds = 1, notify = new[] { "bob" }, remind = true } },
        };
        var ann = await KeyAsync("ann");
        var session = await stack.ClaudeAsync(new { permission_policy = policy }, Api);
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        using var refused = await Api.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request}/approve", new { });
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);

        await Wait.ForAsync(async () => (await Api.EventsAsync(session)).Of("permission.escalated").Count > 0, "the escalation");
        Assert.Equal(["ann", "bob"], (await Api.GetAsync($"/api/v1/permissions/{request}")).GetProperty("approvers").EnumerateArray().Select(a => a.GetString()));
        await ann.PostAsync($"/api/v1/permissions/{request}/approve", new { });
        using var twice = await ann.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request}/approve", new { reason = "again" });
        Assert.Equal(HttpStatusCode.Conflict, twice.StatusCode);

        await ann.PostAsync($"/api/v1/permissions/{request}/delegate", new { to = "cleo" });
        var link = (await Api.PostAsync($"/api/v1/permissions/{request}/links", new { actor = "cleo" })).Text("url")!;
        using var browser = new HttpClient();
        Assert.Contains("echo ran", WebUtility.HtmlDecode(await browser.GetStringAsync(link)));
        Assert.Equal("pending", (await Api.GetAsync($"/api/v1/permissions/{request}")).Text("status"));
        using var clicked = await browser.PostAsync(link, new FormUrlEncodedContent([new("action", "approve")]));
        Assert.Equal(HttpStatusCode.OK, clicked.StatusCode);
        using var again = await browser.PostAsync(link, new FormUrlEncodedContent([new("action", "approve")]));
        Assert.Equal(HttpStatusCode.Gone, again.StatusCode);

        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal("ran\n", await File.ReadAllTextAsync(Path.Combine(await stack.WorkspaceAsync(session, Api), "ran.txt")));
        Assert.Equal(
            ["requested", "escalated", "approval", "delegated", "approved", "delivered"],
            (await Api.GetAsync($"/api/v1/permissions/{request}")).GetProperty("history").EnumerateArray().Select(n => n.Text("what")));
        Assert.DoesNotContain(link.Split('/')[^1], stack.Server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_IsAskedAgainUntilItAnswers_AndSurvivesARestart()
    {
        await using var hook = new HookServer();
        var made = await Api.PostAsync("/api/v1/permission-hooks", new { url = hook.Url, name = "gate" });
        var session = await stack.ClaudeAsync(api: Api);
        var task = await Api.SubmitAsync(session, Touch);
        await Wait.ForAsync(() => hook.Posts > 0, "the hook's first post");
        await stack.Server.KillAsync();
        hook.Answer = """{"decision":"approve","reason":"the gate is open"}""";
        await RestartAsync();
        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));

        var row = (await Api.GetAsync($"/api/v1/permissions?session_id={session}")).Items()[0];
        Assert.Equal(("approved", "the gate is open"), (row.Text("status"), row.Text("response_reason")));
        Assert.Contains("gate", row.Text("responded_by"));
        Assert.Single((await Api.EventsAsync(session)).Of("permission.approved"));
        Assert.Equal("ran\n", await File.ReadAllTextAsync(Path.Combine(await stack.WorkspaceAsync(session, Api), "ran.txt")));
        var (timestamp, signature, body) = hook.Last;
        var mac = HMACSHA256.HashData(Encoding.UTF8.GetBytes(made.Text("secret")!), Encoding.UTF8.GetBytes($"{timestamp}.{body}"));
        Assert.Equal("sha256=" + Convert.ToHexStringLower(mac), signature);
        Assert.Equal("echo ran >> ran.txt", JsonDocument.Parse(body).RootElement.GetProperty("data").Text("command"));
        Assert.DoesNotContain(made.Text("secret")!, stack.Server.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bulk_AnswersWhatAFilterFinds()
    {
        string[] sessions = [await stack.ClaudeAsync(api: Api), await stack.ClaudeAsync(api: Api)];
        foreach (var session in sessions)
        {
            await Api.SubmitAsync(session, Touch);
            await Api.PermissionAsync(session);
        }

        var answer = await Api.PostAsync("/api/v1/permissions/decide", new { filter = new { tool = new[] { "Bash" } }, decision = "deny", reason = "not now" });
        Assert.Equal(["denied", "denied"], answer.Items().Select(item => item.Text("status")));
        foreach (var session in sessions) Assert.False(File.Exists(Path.Combine(await stack.WorkspaceAsync(session, Api), "ran.txt")));
    }

    private async Task RestartAsync()
    {
        await stack.StartServerAsync();
        Api = Api.At(stack.ApiUrl);
    }

    private async Task<Api> KeyAsync(string name)
    {
        var key = await Api.PostAsync("/api/v1/keys", new { name, scopes = new[] { "permissions:*" } });
        return new Api(stack.ApiUrl, key.Text("raw_token")!);
    }
}
