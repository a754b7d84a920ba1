using System.Net;
using System.Text;
using System.Text.Json;
using Marionette.Gateway.Tests.Support;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Messages, files, schemas, budgets and usage over HTTP, with the real tables.</summary>
public sealed class TaskQueueTests(PostgresFixture postgres) : IAsyncLifetime
{
    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartAsync(postgres);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Task_WithFilesSchemaAndBudget_ReachesTheSession()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new
        {
            session_id = await SessionAsync(), prompt = "look", conversation = "new", budget = new { max_cost_usd = 1.5, max_tokens = 1000, warn_percent = 50 },
            files = new[] { new { name = "a.png", media_type = "image/png", content = Convert.ToBase64String([1, 2, 3]) } },
            output_schema = new { type = "object" },
        });
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var submitted = Assert.Single(host.Cluster.Submitted);
        Assert.Equal(("a.png", "image/png", 3), (submitted.Files[0].Name, submitted.Files[0].MediaType, submitted.Files[0].Content.Length));
        Assert.Equal("""{"type":"object"}""", submitted.OutputSchema);
        Assert.Equal(new Tasks.Budget(1.5m, 1000, null, 50), submitted.Budget);
        Assert.True(submitted.NewConversation);
    }

    [Theory]
    [InlineData("""{"files":[{"name":"../x","content":"AA=="}]}""", "files[0].name")]
    [InlineData("""{"files":[{"name":"x","content":"!"}]}""", "files[0].content")]
    [InlineData("""{"files":[{"name":"x","content":"AA=="},{"name":"X","content":"AA=="}]}""", "files[1].name")]
    [InlineData("""{"files":[null]}""", "files[0].name", "files[0].content")]
    [InlineData("""{"output_schema":[1]}""", "output_schema")]
    [InlineData("""{"budget":{"max_cost_usd":0}}""", "budget.max_cost_usd")]
    [InlineData("""{"budget":{"max_tokens":-1,"warn_percent":101}}""", "budget.max_tokens", "budget.warn_percent")]
    [InlineData("""{"conversation":"other"}""", "conversation")]
    [InlineData("""{"conversation":"new","continue_from":"task_0VbllCUGQ8SjYAHu"}""", "conversation")]
    public async Task Task_WrongField_IsNamed(string more, params string[] fields)
    {
        var body = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(more)!;
        body["session_id"] = JsonSerializer.SerializeToElement(await SessionAsync());
        body["prompt"] = JsonSerializer.SerializeToElement("hello");
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var errors = (await GatewayHost.JsonAsync(answer)).GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("field").GetString());
        Assert.Equal(fields, errors);
        Assert.Empty(host.Cluster.Submitted);
    }

    [Fact]
    public async Task Message_SameKey_IsTheSameMessage()
    {
        var task = await TaskAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ =>
            GatewayHost.PostAsync(host.Operator, $"/api/v1/tasks/{task}/messages", """{"text":"and this"}""", "m1")));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode));
        Assert.Single(host.Cluster.Messages.Select(m => m.MessageId).Distinct());
        Assert.Equal("sent", (await GatewayHost.JsonAsync(answers[0])).GetProperty("status").GetString());
        using var empty = await GatewayHost.PostAsync(host.Operator, $"/api/v1/tasks/{task}/messages", """{"text":" "}""");
        Assert.Equal(HttpStatusCode.BadRequest, empty.StatusCode);
    }

    [Fact]
    public async Task MoveAndContinue_AnswerWithTheTask()
    {
        var task = await TaskAsync();
        using var moved = await GatewayHost.PostAsync(host.Operator, $"/api/v1/tasks/{task}/move", null);
        using var gone = await GatewayHost.PostAsync(host.Operator, $"/api/v1/tasks/{task}/continue", """{"budget":{"max_tokens":5}}""");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (moved.StatusCode, gone.StatusCode));
        Assert.Equal(task, (await GatewayHost.JsonAsync(moved)).GetProperty("id").GetString());
        using var wrong = await GatewayHost.PostAsync(host.Operator, $"/api/v1/tasks/{task}/move", """{"before":"nonsense"}""");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Fact]
    public async Task Session_Change_TellsOnlyWhatIsGiven()
    {
        var id = await SessionAsync();
        using var answer = await host.Operator.PatchAsync($"/api/v1/sessions/{id}", Json("""{"model":"opus","budget":{"max_minutes":10}}"""));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var change = Assert.Single(host.Cluster.Changes);
        Assert.Equal(("opus", (string?)null, 10d), (change.Model, change.Name, change.Budget!.MaxMinutes));
        using var wrong = await host.Operator.PatchAsync($"/api/v1/sessions/{id}", Json("""{"permission_mode":"yolo"}"""));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Fact]
    public async Task Session_Options_AreSealed_AndShownByName()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude","options":{"mcp_servers":{"x":"canary"},"max_turns":3}}""");
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var created = Assert.Single(host.Cluster.Sessions).Value;
        Assert.Equal(["max_turns", "mcp_servers"], created.OptionNames);
        Assert.NotNull(created.Secrets);
        Assert.DoesNotContain("canary", Encoding.UTF8.GetString(created.Secrets.Box), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Budget_IsReplacedWhole()
    {
        using var set = await host.Operator.PutAsync("/api/v1/budget", Json("""{"max_cost_usd":100,"period":"day"}"""));
        Assert.Equal(HttpStatusCode.OK, set.StatusCode);
        var got = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/budget"));
        Assert.Equal(("day", 100), (got.GetProperty("period").GetString(), got.GetProperty("max_cost_usd").GetInt32()));
        Assert.Equal(0.5, got.GetProperty("used").GetProperty("cost_usd").GetDouble());
        using var wrong = await host.Operator.PutAsync("/api/v1/budget", Json("""{"period":"week","max_tokens":0}"""));
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    [Fact]
    public async Task Usage_SumsTheTenantsRuns_ByGroup_AndNobodyElses()
    {
        await RunAsync("default", "trun_1", "sess_1", "2026-11-01T10:00:00.000Z", 10, 0.5m, "web");
        await RunAsync("default", "trun_2", "sess_1", "2026-11-02T10:00:00.000Z", 20, 1m, "web");
        await RunAsync("default", "trun_3", "sess_2", "2026-11-02T11:00:00.000Z", 30, 2m, "api");
        await RunAsync("other", "trun_4", "sess_3", "2026-11-02T11:00:00.000Z", 99, 9m, "web");

        var all = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/usage?group_by=day"));
        Assert.Equal((3, 60), (all.GetProperty("runs").GetInt32(), all.GetProperty("total").GetProperty("input_tokens").GetInt32()));
        Assert.Equal(["2026-11-01", "2026-11-02"], Keys(all));
        Assert.Equal(["sess_2", "sess_1"], Keys(await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/usage?group_by=session"))));
        Assert.Equal(["api", "web"], Keys(await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/usage?group_by=label:team"))));
        var some = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/usage?from=2026-11-02T00:00:00Z&labels[team]=web"));
        Assert.Equal(1, some.GetProperty("total").GetProperty("cost_usd").GetInt32());
        var none = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/usage?to=2026-01-01T00:00:00Z"));
        Assert.Equal(0, none.GetProperty("runs").GetInt32());
        foreach (var query in new[] { "group_by=colour", "from=yesterday", "group_by=label:" })
            Assert.Equal(HttpStatusCode.BadRequest, (await host.Operator.GetAsync($"/api/v1/usage?{query}")).StatusCode);
    }

    private static string[] Keys(JsonElement report) => [.. report.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("key").GetString()!)];

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private Task RunAsync(string tenant, string run, string session, string ended, int tokens, decimal cost, string team) => host.ExecuteAsync(
        "insert into marionette.grain_state (grain_type, grain_key, version, state) values ('usage', $1, 1, $2::jsonb)", $"{tenant}/{run}",
        JsonSerializer.Serialize(new
        {
            id = run, session_id = session, task_id = "task_1", agent = "claude", created_at = ended, labels = new { team },
            usage = new { input_tokens = tokens, output_tokens = 1, cache_read_tokens = 0, cache_write_tokens = 0, cost_usd = cost, turns = 1, wall_ms = 5, model_ms = 0 },
        }));

    private async Task<string> SessionAsync()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""");
        return (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
    }

    private async Task<string> TaskAsync()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new { session_id = await SessionAsync(), prompt = "hello" });
        return (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
    }
}
