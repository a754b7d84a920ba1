using System.Text.Json.Nodes;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>What command lines become on the wire.</summary>
public sealed class RequestTests : IAsyncLifetime
{
    private const string Page = """{"items":[],"has_more":false,"total_count":0}""";

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task SessionsCreate_EveryOption_IsSentUnderItsName()
    {
        server.On("POST /api/v1/sessions", """{"id":"sess_1"}""", 201);
        var ran = await Support.Cli.For(server).RunAsync("sess", "create", "--agent", "claude", "--name", "mine", "--model", "opus", "--base-url", "http://m",
            "--agent-api-key", "sk-1", "--lifecycle", "persistent", "--idle-timeout", "60", "--suspend-strategy", "pause", "--permission-mode", "plan", "--permission-timeout", "90",
            "--labels", "team=web,tier=1", "--label", "x=a=b", "--env", "LIST=1,2,3", "--env", "B=2", "--workspace", "ws_1", "--include-raw",
            "--network-policy", "allow_list", "--allow-host", "a.example:443,b.example", "--allowed-hosts", "10.0.0.0/8",
            "--provider", "docker", "--profile", "prof_1", "--idempotency-key", "once");

        Assert.Equal(new Ran(0, "ID: sess_1\n", ""), ran);
        var request = Assert.Single(server.Requests);
        Assert.Equal("Bearer mk_test", request.Headers["Authorization"]);
        Assert.Equal("once", request.Headers["Idempotency-Key"]);
        Same("""
            {"agent":"claude","model":"opus","base_url":"http://m","api_key":"sk-1","env":{"LIST":"1,2,3","B":"2"},"labels":{"team":"web","tier":"1","x":"a=b"},
             "name":"mine","lifecycle_mode":"persistent","idle_timeout_seconds":60,"suspend_strategy":"pause","permission_mode":"plan","permission_timeout_seconds":90,"workspace_id":"ws_1",
             "provider":"docker","profile_id":"prof_1","network_policy":"allow_list","allowed_hosts":["a.example:443","b.example","10.0.0.0/8"],"include_raw":true}
            """, request.Body);
    }

    [Fact]
    public async Task SessionsCreate_CommandAgent_SendsTheWordsAfterTheDashes()
    {
        server.On("POST /api/v1/sessions", """{"id":"sess_1"}""", 201);
        var cli = Support.Cli.For(server);
        cli.Variables["ANTHROPIC_API_KEY"] = "sk-env";
        Assert.Equal(0, (await cli.RunAsync("sessions", "create", "--agent", "command", "--", "sh", "-c", "echo hi")).Code);
        Same("""{"agent":"command","command":["sh","-c","echo hi"]}""", server.Requests[0].Body);
    }

    [Fact]
    public async Task SessionsCreate_KeyInTheEnvironment_IsUsedForClaude()
    {
        server.On("POST /api/v1/sessions", """{"id":"sess_1"}""", 201);
        var cli = Support.Cli.For(server);
        cli.Variables["ANTHROPIC_API_KEY"] = "sk-env";
        await cli.RunAsync("sessions", "create");
        await cli.RunAsync("sessions", "create", "--agent-config", "acfg_1");
        Same("""{"agent":"claude","api_key":"sk-env"}""", server.Requests[0].Body);
        Same("""{"agent":"claude","agent_config_id":"acfg_1"}""", server.Requests[1].Body);
    }

    [Fact]
    public async Task Permissions_AFilter_AnswersManyAndSaysWhatFailed()
    {
        server.On("POST /api/v1/permissions/decide", """{"items":[{"id":"perm_1","ok":true,"status":"denied"},{"id":"perm_2","ok":false,"code":"already_decided","message":"Approved by ann."}]}""");
        var ran = await Support.Cli.For(server).RunAsync("permissions", "deny", "--session", "sess_1", "--risk", "high,critical", "--reason", "no");
        Assert.Equal(1, ran.Code);
        Assert.Contains("already_decided", ran.Out, StringComparison.Ordinal);
        Same("""{"filter":{"session_id":"sess_1","risk_level":["high","critical"]},"decision":"deny","reason":"no"}""", server.Requests[0].Body);
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync("permissions", "deny")).Code);
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync("permissions", "approve", "perm_1", "--risk", "low")).Code);
    }

    [Fact]
    public async Task Policies_AddAndTest_SendWhatWasSaid()
    {
        server.On("POST /api/v1/policies", """{"id":"pol_1","effect":"deny","commands":["git push * --force"],"scope":"tenant"}""", 201);
        server.On("POST /api/v1/policies/test", """{"items":[{"effect":"deny","why":"Denied by rule pol_1","risk_level":"critical","risk_reasons":["x"],"trace":[{"rule_id":"pol_1","matched":true,"why":"matches"}]}]}""");
        var added = await Support.Cli.For(server).RunAsync("policies", "add", "deny", "--command", "git push * --force", "--reason", "no, never", "--position", "0", "--rule", """{"labels":{"a":"b"}}""");
        Assert.Contains("commands git push * --force", added.Out, StringComparison.Ordinal);
        Same("""{"labels":{"a":"b"},"effect":"deny","reason":"no, never","position":0,"commands":["git push * --force"]}""", server.Requests[0].Body);
        var tested = await Support.Cli.For(server).RunAsync("policies", "test", "--command", "git push --force");
        Assert.Contains("Denied by rule pol_1", tested.Out, StringComparison.Ordinal);
        Same("""{"request":{"tool":"Bash","command":"git push --force"}}""", server.Requests[1].Body);
    }

    [Fact]
    public async Task TasksCreate_FilesSchemaAndBudget_AreSentUnderTheirNames()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["a.png"], "abc");
        File.WriteAllText(folder["schema.json"], """{"type":"object"}""");
        server.On("POST /api/v1/tasks", """{"id":"task_1","session_id":"sess_1"}""", 201);
        var ran = await Support.Cli.For(server).RunAsync(
            "tasks", "create", "look", "--session", "sess_1", "--file", folder["a.png"], "--output-schema", folder["schema.json"], "--new-conversation",
            "--max-cost", "1.5", "--max-tokens", "1000", "--max-minutes", "30", "--warn-percent", "50");
        Assert.Equal(0, ran.Code);
        Same("""
            {"session_id":"sess_1","prompt":"look","files":[{"name":"a.png","media_type":"image/png","content":"YWJj"}],"output_schema":{"type":"object"},
             "conversation":"new","budget":{"max_cost_usd":1.5,"max_tokens":1000,"max_minutes":30,"warn_percent":50}}
            """, server.Requests[0].Body);
    }

    [Theory]
    [InlineData("tasks send task_1 more --idempotency-key k", "POST /api/v1/tasks/task_1/messages", """{"text":"more"}""", """{"id":"msg_1","task_id":"task_1","status":"sent"}""", "msg_1 is on its way into the turn of task_1.\n")]
    [InlineData("tasks send task_1 more", "POST /api/v1/tasks/task_1/messages", """{"text":"more"}""", """{"id":"msg_1","task_id":"task_2","status":"queued"}""", "msg_1 follows as task task_2.\n")]
    [InlineData("tasks move task_1 --before task_2", "POST /api/v1/tasks/task_1/move", """{"before":"task_2"}""", """{"id":"task_1"}""", "ID:      task_1\nRetries: 0 of 0\n")]
    [InlineData("tasks continue task_1 --max-cost 3", "POST /api/v1/tasks/task_1/continue", """{"budget":{"max_cost_usd":3}}""", """{"id":"task_1","budget":{"max_cost_usd":3}}""", "ID:      task_1\nRetries: 0 of 0\nBudget:  $3.00\n")]
    [InlineData("sessions change sess_1 --model opus --no-budget", "PATCH /api/v1/sessions/sess_1", """{"model":"opus","budget":{}}""", """{"id":"sess_1"}""", "ID: sess_1\n")]
    [InlineData("budget set --max-cost 5 --period day", "PUT /api/v1/budget", """{"max_cost_usd":5,"period":"day"}""", """{"max_cost_usd":5,"period":"day"}""", "Budget: $5.00\nPeriod: day\n")]
    public async Task QueueAndBudget_GoOutAndAreShown(string line, string route, string body, string answer, string shown)
    {
        server.On(route, answer, 200);
        var ran = await Support.Cli.For(server).RunAsync(line.Split(' '));
        Assert.Equal(new Ran(0, shown, ""), ran);
        Same(body, server.Requests[0].Body);
    }

    [Fact]
    public async Task Usage_IsATable_WithItsSum()
    {
        server.On("GET /api/v1/usage", """
            {"total":{"cost_usd":1.5},"runs":3,"items":[{"key":"web","runs":3,"usage":{"input_tokens":1200,"output_tokens":5,"cache_read_tokens":0,"cost_usd":1.5,"wall_ms":61000}}]}
            """);
        var ran = await Support.Cli.For(server).RunAsync("usage", "--by", "label:team", "--from", "2026-11-01");
        Assert.Equal(0, ran.Code);
        Assert.Contains("web", ran.Out, StringComparison.Ordinal);
        Assert.EndsWith("3 runs, $1.50 in all.\n", ran.Out, StringComparison.Ordinal);
        Assert.Equal("/api/v1/usage?from=2026-11-01&group_by=label%3Ateam", server.Requests[0].Target);
    }

    [Theory]
    [InlineData("sessions list --status active --status pending,failed --agent claude --labels team=web --limit 10 --cursor c1",
        "/api/v1/sessions?status=active&status=pending&status=failed&agent=claude&labels%5Bteam%5D=web&limit=10&cursor=c1")]
    [InlineData("sess ls", "/api/v1/sessions?limit=50")]
    [InlineData("tasks list --session sess_1 --status running", "/api/v1/tasks?session_id=sess_1&status=running&limit=50")]
    [InlineData("permissions list", "/api/v1/permissions?status=pending&limit=50")]
    [InlineData("perm ls --status all --session sess_1 --task task_1 --risk high", "/api/v1/permissions?session_id=sess_1&task_id=task_1&risk_level=high&limit=50")]
    [InlineData("policies list", "/api/v1/policies")]
    [InlineData("keys list", "/api/v1/keys?limit=50")]
    public async Task Lists_Filters_BecomeTheQuery(string line, string target)
    {
        server.On($"GET {target.Split('?')[0]}", Page);
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync(line.Split(' '))).Code);
        Assert.Equal(target, Assert.Single(server.Requests).Target);
    }

    [Theory]
    [InlineData("sessions suspend sess_1", "POST", "/api/v1/sessions/sess_1/suspend", "")]
    [InlineData("sessions suspend sess_1 --strategy pause", "POST", "/api/v1/sessions/sess_1/suspend", """{"strategy":"pause"}""")]
    [InlineData("sessions resume sess_1", "POST", "/api/v1/sessions/sess_1/resume", "")]
    [InlineData("session terminate sess_1", "DELETE", "/api/v1/sessions/sess_1", "")]
    [InlineData("task cancel task_1", "POST", "/api/v1/tasks/task_1/cancel", "")]
    [InlineData("tasks retry task_1", "POST", "/api/v1/tasks/task_1/retry", "")]
    [InlineData("permissions approve perm_1 --remember session", "POST", "/api/v1/permissions/perm_1/approve", """{"remember":"session"}""")]
    [InlineData("permissions delegate perm_1 ann --reason leave", "POST", "/api/v1/permissions/perm_1/delegate", """{"to":"ann","reason":"leave"}""")]
    [InlineData("policies remove pol_1", "DELETE", "/api/v1/policies/pol_1", "")]
    [InlineData("permissions approve perm_1 --reason fine", "POST", "/api/v1/permissions/perm_1/approve", """{"reason":"fine"}""")]
    [InlineData("permissions approve perm_1 --input {\"a\":1}", "POST", "/api/v1/permissions/perm_1/approve", """{"updated_input":{"a":1}}""")]
    [InlineData("permissions deny perm_1 --interrupt", "POST", "/api/v1/permissions/perm_1/deny", """{"interrupt":true}""")]
    [InlineData("permission-hooks delete phk_1", "DELETE", "/api/v1/permission-hooks/phk_1", "")]
    [InlineData("keys revoke key_1", "DELETE", "/api/v1/keys/key_1", "")]
    [InlineData("sessions suspend ../keys", "POST", "/api/v1/sessions/..%2Fkeys/suspend", "")]
    public async Task Changes_OneRequest_ToTheRightPlace(string line, string method, string target, string body)
    {
        server.On($"{method} {target}", "", 204);
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync(line.Split(' '))).Code);
        var request = Assert.Single(server.Requests);
        Assert.Equal((method, target, body), (request.Method, request.Target, request.Body));
    }

    [Theory]
    [InlineData("permission-hooks pause phk_1", """{"name":"pager","url":"https://x.example","categories":["command"],"timeout_seconds":10,"paused":true}""")]
    [InlineData("permission-hooks resume phk_1", """{"name":"pager","url":"https://x.example","categories":["command"],"timeout_seconds":10,"paused":false}""")]
    [InlineData(
        "permission-hooks update phk_1 --url https://y.example --risk-at-least high --secret-stdin",
        """{"name":"pager","url":"https://y.example","risk_at_least":"high","categories":["command"],"timeout_seconds":10,"paused":false,"secret":"a-secret-of-a-hook"}""")]
    public async Task Hook_IsWrittenWhole_WithWhatTheCommandChanges(string line, string body)
    {
        const string Hook = """{"id":"phk_1","name":"pager","url":"https://x.example","categories":["command"],"timeout_seconds":10,"paused":false,"created_at":"2026-01-01T00:00:00Z"}""";
        server.On("GET /api/v1/permission-hooks/phk_1", Hook).On("PUT /api/v1/permission-hooks/phk_1", Hook);
        var ran = await Support.Cli.For(server, input: "a-secret-of-a-hook\n").RunAsync(line.Split(' '));
        Assert.True(ran.Code == 0, ran.Error);
        Same(body, server.Requests[1].Body);
    }

    [Fact]
    public async Task HooksCreate_SecretIsShownOnce()
    {
        server.On("POST /api/v1/permission-hooks", """{"hook":{"id":"phk_1","url":"https://x.example"},"secret":"whsec_1"}""", 201);
        var ran = await Support.Cli.For(server).RunAsync("permission-hooks", "create", "--url", "https://x.example", "--category", "command,edit", "--labels", "team=web");
        Same("""{"url":"https://x.example","categories":["command","edit"],"labels":{"team":"web"}}""", server.Requests[0].Body);
        Assert.Equal("ID:      phk_1\nAddress: https://x.example\nSecret:  whsec_1\n", ran.Out);
        Assert.Contains("cannot be shown again", ran.Error);
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync("permission-hooks", "create")).Code);
    }

    [Fact]
    public async Task KeysCreate_Span_BecomesATimeAndTheTokenIsShown()
    {
        server.On("POST /api/v1/keys", """{"key":{"id":"key_1","name":"ci"},"raw_token":"mk_secret"}""", 201);
        var ran = await Support.Cli.For(server).RunAsync("keys", "create", "ci", "--scopes", "sessions:read,tasks:*", "--expires", "30d");
        Assert.Equal("ID:   key_1\nName: ci\nKey:  mk_secret\n", ran.Out);
        Assert.Contains("cannot be shown again", ran.Error);
        Same("""{"name":"ci","scopes":["sessions:read","tasks:*"],"expires_at":"2026-12-23T12:00:00Z"}""", server.Requests[0].Body);
    }

    [Fact]
    public async Task TasksCreate_PromptFromStdin_IsSentWhole()
    {
        server.On("POST /api/v1/tasks", """{"id":"task_1","status":"queued"}""", 201);
        var ran = await Support.Cli.For(server, input: "line one\nline two\n")
            .RunAsync("tasks", "create", "--session", "sess_1", "--prompt-file", "-", "--timeout", "5", "--max-retries", "2", "--continue", "task_0", "--labels", "a=b");
        Assert.Equal(0, ran.Code);
        Same("""{"session_id":"sess_1","prompt":"line one\nline two\n","timeout_seconds":5,"max_retries":2,"continue_from":"task_0","labels":{"a":"b"}}""", server.Requests[0].Body);
    }

    [Fact]
    public async Task Post_ServerAwayForAMoment_IsRepeatedWithTheSameKey()
    {
        server.OnEach("POST /api/v1/sessions",
            context => FakeServer.ProblemAsync(context, 503, "unavailable", "away"),
            context => FakeServer.ProblemAsync(context, 503, "unavailable", "away"),
            context => FakeServer.WriteAsync(context, """{"id":"sess_1"}""", 201));
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync("sessions", "create")).Code);
        Assert.Equal(3, server.Requests.Count);
        Assert.Single(server.Requests.Select(request => request.Headers["Idempotency-Key"]).Distinct());
    }

    private static void Same(string expected, string actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), $"expected {JsonNode.Parse(expected)!.ToJsonString()}\nactual   {actual}");
}
