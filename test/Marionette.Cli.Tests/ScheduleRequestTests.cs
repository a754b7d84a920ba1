using System.Text.Json.Nodes;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>What the command lines of scheduled tasks and agent configurations become on the wire.</summary>
public sealed class ScheduleRequestTests : IAsyncLifetime
{
    private const string Page = """{"items":[],"has_more":false,"total_count":0}""";

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Create_EveryOption_IsSentUnderItsName()
    {
        server.On("POST /api/v1/scheduled-tasks", """{"id":"stsk_1"}""", 201);
        var ran = await Support.Cli.For(server, input: "do {{date}}\n").RunAsync("scheduled-tasks", "create", "--name", "n", "--description", "d", "--cron", "0 9 * * *",
            "--timezone", "Europe/Berlin", "--prompt-file", "-", "--session", "sess_1", "--timeout", "60", "--max-retries", "2", "--on-failure", "pause_on_failure",
            "--max-consecutive-failures", "5", "--overlap", "queue", "--catch-up", "all", "--catch-up-window", "3600", "--jitter", "30", "--start-at", "2027-01-01T00:00:00Z",
            "--end-at", "2027-02-01T00:00:00Z", "--labels", "team=web", "--idempotency-key", "once");
        Assert.True(ran.Code == 0, ran.Error);
        Assert.Equal("once", server.Requests[0].Headers["Idempotency-Key"]);
        Same("""
            {"name":"n","description":"d","cron_expression":"0 9 * * *","timezone":"Europe/Berlin","prompt_template":"do {{date}}\n","session_id":"sess_1","timeout_seconds":60,
             "max_retries":2,"on_failure":"pause_on_failure","max_consecutive_failures":5,"overlap_policy":"queue","catch_up":"all","catch_up_window_seconds":3600,
             "jitter_seconds":30,"start_at":"2027-01-01T00:00:00Z","end_at":"2027-02-01T00:00:00Z","labels":{"team":"web"}}
            """, server.Requests[0].Body);
    }

    [Fact]
    public async Task Create_WithoutASession_AsksForSessionsOfItsOwn()
    {
        server.On("POST /api/v1/scheduled-tasks", """{"id":"stsk_1"}""", 201);
        var cli = Support.Cli.For(server);
        cli.Variables["ANTHROPIC_API_KEY"] = "sk-env";
        await cli.RunAsync("stask", "create", "--name", "n", "--cron", "0 9 * * *", "-p", "x", "--agent-config", "acfg_1", "--model", "opus", "--after-run", "suspend");
        await cli.RunAsync("stask", "create", "--name", "n", "--cron", "0 9 * * *", "-p", "x", "--agent", "command", "--", "sh", "-c", "true");
        Same("""{"name":"n","cron_expression":"0 9 * * *","prompt_template":"x","after_run":"suspend","session":{"agent":"claude","model":"opus","agent_config_id":"acfg_1"}}""", server.Requests[0].Body);
        Same("""{"name":"n","cron_expression":"0 9 * * *","prompt_template":"x","session":{"agent":"command","command":["sh","-c","true"]}}""", server.Requests[1].Body);
        await cli.RunAsync("stask", "create", "--name", "n", "--cron", "0 9 * * *", "-p", "x", "--max-cost", "2", "--warn-percent", "50", "--auto-continue");
        Same("""{"name":"n","cron_expression":"0 9 * * *","prompt_template":"x","session":{"agent":"claude","budget":{"max_cost_usd":2,"warn_percent":50},"auto_continue":true}}""", server.Requests[2].Body);
        await cli.RunAsync("stask", "create", "--name", "n", "--cron", "0 9 * * *", "-p", "x", "--provider", "docker", "--profile", "prof_1", "--network-policy", "deny");
        Same("""{"name":"n","cron_expression":"0 9 * * *","prompt_template":"x","session":{"agent":"claude","provider":"docker","profile_id":"prof_1","network_policy":"deny"}}""", server.Requests[3].Body);
        // A key in the environment is for sessions that a person makes, not for what is stored.
        Assert.DoesNotContain(server.Requests, request => request.Body.Contains("sk-env", StringComparison.Ordinal));
        Assert.Equal(2, (await cli.RunAsync("stask", "create", "--name", "n", "--cron", "x", "-p", "x", "--session", "sess_1", "--model", "opus")).Code);
        Assert.Equal(2, (await cli.RunAsync("stask", "create", "--name", "n", "--cron", "x", "-p", "x", "--session", "sess_1", "--max-cost", "2")).Code);
        Assert.Equal(2, (await cli.RunAsync("stask", "create", "--name", "n", "--cron", "x", "-p", "x", "--session", "sess_1", "--provider", "docker")).Code);
    }

    [Theory]
    [InlineData("scheduled-tasks list --status active,paused --session sess_1 --labels team=web --cursor c", "/api/v1/scheduled-tasks?status=active&status=paused&session_id=sess_1&labels%5Bteam%5D=web&limit=50&cursor=c")]
    [InlineData("stask history stsk_1 --status missed --limit 5", "/api/v1/scheduled-tasks/stsk_1/history?status=missed&limit=5")]
    [InlineData("agent-configs list --agent claude --labels team=web", "/api/v1/agent-configs?agent=claude&labels%5Bteam%5D=web&limit=50")]
    public async Task Lists_Filters_BecomeTheQuery(string line, string target)
    {
        server.On($"GET {target.Split('?')[0]}", Page);
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync(line.Split(' '))).Code);
        Assert.Equal(target, Assert.Single(server.Requests).Target);
    }

    [Theory]
    [InlineData("scheduled-tasks pause stsk_1", "POST", "/api/v1/scheduled-tasks/stsk_1/pause", "{}")]
    [InlineData("scheduled-tasks resume stsk_1", "POST", "/api/v1/scheduled-tasks/stsk_1/resume", "{}")]
    [InlineData("scheduled-tasks trigger ../keys", "POST", "/api/v1/scheduled-tasks/..%2Fkeys/trigger", "{}")]
    [InlineData("scheduled-tasks update stsk_1 --jitter 5", "PATCH", "/api/v1/scheduled-tasks/stsk_1", """{"jitter_seconds":5}""")]
    [InlineData("agent-configs update acfg_1 --no-api-key --default false", "PATCH", "/api/v1/agent-configs/acfg_1", """{"api_key":"","is_default":false}""")]
    public async Task Changes_OneRequest_ToTheRightPlace(string line, string method, string target, string body)
    {
        server.On($"{method} {target}", """{"id":"x_1"}""");
        var ran = await Support.Cli.For(server).RunAsync(line.Split(' '));
        Assert.True(ran.Code == 0, ran.Error);
        var request = Assert.Single(server.Requests);
        Assert.Equal((method, target), (request.Method, request.Target));
        Same(body, request.Body);
    }

    [Theory]
    [InlineData("--api-key-stdin", "sk-in\n", "sk-in")]
    [InlineData("--api-key-env MODEL_KEY", "", "sk-var")]
    public async Task Config_Key_ComesFromStdinOrAVariable(string option, string input, string expected)
    {
        server.On("POST /api/v1/agent-configs", """{"id":"acfg_1"}""", 201);
        var cli = Support.Cli.For(server, input: input);
        cli.Variables["MODEL_KEY"] = "sk-var";
        cli.Variables["NPM_TOKEN"] = "npm";
        var ran = await cli.RunAsync(["agent-configs", "create", "--name", "n", .. option.Split(' '), "--env", "A=1", "--env-from", "NPM_TOKEN", "--extra", "{\"x\":[1]}", "--default"]);
        Assert.True(ran.Code == 0, ran.Error);
        Same($$"""{"name":"n","agent":"claude","api_key":"{{expected}}","env":{"A":"1","NPM_TOKEN":"npm"},"extra":{"x":[1]},"is_default":true}""", server.Requests[0].Body);
        Assert.DoesNotContain(expected, ran.Out + ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("agent-configs create")]
    [InlineData("agent-configs create --name n --api-key-stdin")]
    [InlineData("agent-configs create --name n --api-key-env MISSING")]
    [InlineData("agent-configs create --name n --api-key-stdin --api-key-env X")]
    [InlineData("agent-configs create --name n --extra [1]")]
    [InlineData("scheduled-tasks update stsk_1")]
    [InlineData("scheduled-tasks create --overlap both")]
    public async Task WrongUse_IsToldBeforeAnythingIsSent(string line)
    {
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync(line.Split(' '))).Code);
        Assert.Empty(server.Requests);
    }

    private static void Same(string expected, string actual) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), $"expected {JsonNode.Parse(expected)!.ToJsonString()}\nactual   {actual}");
}
