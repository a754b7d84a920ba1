using System.Net;
using System.Text;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Tests.Support;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Commands and lists over HTTP, with the real tables.</summary>
public sealed class ApiTests(PostgresFixture postgres) : IAsyncLifetime
{
    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartAsync(postgres);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Session_SameKeySameBody_IsOneSession()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ =>
            GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude","api_key":"sk-ant-canary"}""", "k1")));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        var bodies = await Task.WhenAll(answers.Select(answer => answer.Content.ReadAsStringAsync()));
        Assert.Single(bodies.Distinct());
        Assert.DoesNotContain("canary", bodies[0], StringComparison.Ordinal);
        Assert.Single(host.Cluster.Sessions);
    }

    [Theory]
    [InlineData("/api/v1/sessions", """{"agent":"claude","name":"other"}""")]
    [InlineData("/api/v1/keys", """{"agent":"claude"}""")]
    public async Task SameKey_OtherRequest_Is409(string path, string body)
    {
        using var first = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""", "k1");
        using var second = await GatewayHost.PostAsync(host.Operator, path, path.EndsWith("keys", StringComparison.Ordinal) ? """{"name":"x"}""" : body, "k1");
        Assert.Equal(HttpStatusCode.Conflict, second.StatusCode);
        Assert.Equal("idempotency_mismatch", (await GatewayHost.JsonAsync(second)).GetProperty("code").GetString());
    }

    [Fact]
    public async Task SameKey_OfAnotherTenant_IsAnotherRequest()
    {
        using var other = await host.ClientAsync("other", "*");
        using var first = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""", "k1");
        using var second = await GatewayHost.PostAsync(other, "/api/v1/sessions", """{"agent":"claude","name":"x"}""", "k1");
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
        Assert.Equal(2, host.Cluster.Sessions.Count);
    }

    [Fact]
    public async Task Key_AfterItsLifetime_IsFreeAgain()
    {
        using var first = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""", "k1");
        await host.ExecuteAsync("update marionette.idempotency set created_at = now() - interval '25 hours'");
        using var second = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude","name":"x"}""", "k1");
        Assert.Equal(HttpStatusCode.Created, second.StatusCode);
    }

    [Fact]
    public async Task RefusedBody_MendedUnderTheSameKey_IsTaken()
    {
        using var refused = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"nobody"}""", "k1");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        using var mended = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""", "k1");
        Assert.Equal(HttpStatusCode.Created, mended.StatusCode);
    }

    [Fact]
    public async Task Suspend_LateRepeat_IsNotDoneAgain()
    {
        var id = await SessionAsync();
        using var suspended = await GatewayHost.PostAsync(host.Operator, $"/api/v1/sessions/{id}/suspend", null, "k-suspend");
        using var resumed = await GatewayHost.PostAsync(host.Operator, $"/api/v1/sessions/{id}/resume", null, "k-resume");
        using var repeat = await GatewayHost.PostAsync(host.Operator, $"/api/v1/sessions/{id}/suspend", null, "k-suspend");
        Assert.Equal(HttpStatusCode.NoContent, repeat.StatusCode);
        Assert.Equal(1, host.Cluster.Calls.Count(call => call.StartsWith("SuspendAsync", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Task_SiloDiesUnderTheCall_IsQueuedOnce()
    {
        var id = await SessionAsync();
        host.Cluster.NextFault = new SiloUnavailableException();
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new { session_id = id, prompt = "hello" });
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Single(host.Cluster.Tasks);
    }

    [Fact]
    public async Task Command_NoAnswerInTime_Is504OutcomeUnknown()
    {
        var id = await SessionAsync();
        host.Cluster.NextFault = new TimeoutException();
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new { session_id = id, prompt = "hello" });
        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
        Assert.Equal("outcome_unknown", (await GatewayHost.JsonAsync(answer)).GetProperty("code").GetString());
    }

    [Fact]
    public async Task Defect_Answer_HidesWhatAndNamesTheTrace()
    {
        var id = await SessionAsync();
        host.Cluster.NextFault = new InvalidOperationException("canary");
        using var answer = await host.Operator.GetAsync($"/api/v1/sessions/{id}");
        var body = await answer.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.DoesNotContain("canary", body, StringComparison.Ordinal);
        Assert.Contains("trace_id", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ObjectsOfAnotherTenant_LookLikeNone()
    {
        var session = await SessionAsync();
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new { session_id = session, prompt = "hello" });
        var task = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
        var permission = await PermissionAsync("default", session, task);
        var key = (await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/keys"))).GetProperty("items")[0].GetProperty("id").GetString();
        await host.ExecuteAsync("insert into marionette.session_head values ($1, 'default', 3)", session);
        using var stranger = await host.ClientAsync("other", "*");
        foreach (var (method, path) in new[]
        {
            ("GET", $"sessions/{session}"), ("DELETE", $"sessions/{session}"), ("POST", $"sessions/{session}/suspend"), ("POST", $"sessions/{session}/resume"),
            ("GET", $"sessions/{session}/events"), ("GET", $"sessions/{session}/logs"), ("GET", $"tasks/{task}"), ("POST", $"tasks/{task}/cancel"),
            ("POST", $"tasks/{task}/retry"), ("POST", $"tasks/{task}/execute"), ("GET", $"tasks/{task}/runs"), ("GET", $"tasks/{task}/logs"),
            ("GET", $"permissions/{permission}"), ("POST", $"permissions/{permission}/approve"), ("POST", $"permissions/{permission}/deny"),
            ("GET", $"keys/{key}"), ("DELETE", $"keys/{key}"), ("GET", "runners/run_0VblLnwqr5JQkdmN"),
        })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), $"/api/v1/{path}");
            using var answer = await stranger.SendAsync(request);
            Assert.True(answer.StatusCode == HttpStatusCode.NotFound, $"{method} {path} answered {answer.StatusCode}.");
        }
        using var submit = await GatewayHost.PostAsync(stranger, "/api/v1/tasks", new { session_id = session, prompt = "hello" });
        Assert.Equal(HttpStatusCode.NotFound, submit.StatusCode);
        foreach (var list in new[] { "sessions", "tasks", "permissions", "runners" })
            Assert.Equal(0, (await GatewayHost.JsonAsync(await stranger.GetAsync($"/api/v1/{list}"))).GetProperty("total_count").GetInt64());
        Assert.Empty(host.Cluster.Decisions);
        Assert.Equal(HttpStatusCode.OK, (await host.Operator.GetAsync($"/api/v1/keys/{key}")).StatusCode);
    }

    [Fact]
    public async Task Decision_CommandId_IsTheCallersKey()
    {
        var session = await SessionAsync();
        var permission = await PermissionAsync("default", session, "task_0VblLnwqr5JQkdmN");
        using var answer = await GatewayHost.PostAsync(
            host.Operator, $"/api/v1/permissions/{permission}/approve", """{"updated_input":{ "command" : "ls",  "n": 1.50 },"reason":"fine"}""", "decide-1");
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        var decision = Assert.Single(host.Cluster.Decisions);
        Assert.Equal(("decide-1", true, "fine"), (decision.CommandId, decision.Allow, decision.Reason));
        Assert.Equal("""{"command":"ls","n":1.50}""", Encoding.UTF8.GetString(decision.UpdatedInput!));
        Assert.StartsWith("operator (key_", decision.By, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_Pages_GiveEveryRowOnceNewestFirst()
    {
        var ids = new List<string>();
        for (var i = 0; i < 7; i++) ids.Add(await StateAsync("session", "default", i, $$$"""{"status":"{{{(i % 2 == 0 ? "active" : "suspended")}}}","labels":{"team":"t{{{i % 3}}}"},"agent":"claude","workspace_id":"ws"}"""));
        await StateAsync("session", "other", 9, """{"status":"active","agent":"claude","workspace_id":"ws"}""");
        var (seen, cursor) = (new List<string>(), "");
        do
        {
            var page = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/sessions?limit=3&cursor={cursor}"));
            Assert.Equal(7, page.GetProperty("total_count").GetInt64());
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!));
            cursor = page.GetProperty("has_more").GetBoolean() ? page.GetProperty("next_cursor").GetString()! : null;
        }
        while (cursor is not null);
        Assert.Equal(ids.AsEnumerable().Reverse(), seen);
    }

    [Theory]
    [InlineData("status=active", 4)]
    [InlineData("status=active&status=suspended", 7)]
    [InlineData("labels%5Bteam%5D=t0", 3)]
    [InlineData("labels%5Bteam%5D=t0&status=active", 2)]
    [InlineData("labels%5Bteam%5D=nobody", 0)]
    [InlineData("agent=command", 0)]
    [InlineData("agent=claude&agent=command", 7)]
    public async Task List_Filters_CountWhatTheyShow(string filter, int count)
    {
        for (var i = 0; i < 7; i++) await StateAsync("session", "default", i, $$$"""{"status":"{{{(i % 2 == 0 ? "active" : "suspended")}}}","labels":{"team":"t{{{i % 3}}}"},"agent":"claude","workspace_id":"ws"}""");
        var page = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/sessions?{filter}"));
        Assert.Equal((count, (long)count), (page.GetProperty("items").GetArrayLength(), page.GetProperty("total_count").GetInt64()));
    }

    [Fact]
    public async Task List_RowsOfANewerVersion_AreShown()
    {
        await StateAsync("session", "default", 1, """{"status":"hibernated","agent":"claude","workspace_id":"ws","brand_new":{"a":1},"name":"a\ufdd00b"}""");
        var page = await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/sessions"));
        var item = page.GetProperty("items")[0];
        Assert.Equal(("unknown", "a\0b"), (item.GetProperty("status").GetString(), item.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task Keys_CreatedOnce_ShownOnce_RevokedAtOnce()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/keys", new { name = "ci", scopes = new[] { "tasks:read" } }, "k1");
        using var again = await GatewayHost.PostAsync(host.Operator, "/api/v1/keys", new { name = "ci", scopes = new[] { "tasks:read" } }, "k1");
        var (first, second) = (await GatewayHost.JsonAsync(made), await GatewayHost.JsonAsync(again));
        var (id, token) = (first.GetProperty("key").GetProperty("id").GetString(), first.GetProperty("raw_token").GetString()!);
        Assert.Equal(id, second.GetProperty("key").GetProperty("id").GetString());
        Assert.False(second.TryGetProperty("raw_token", out _));
        Assert.Equal(token[..8], first.GetProperty("key").GetProperty("key_prefix").GetString());

        using var client = host.Client(token);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/tasks")).StatusCode);
        using var forbidden = await client.GetAsync("/api/v1/sessions");
        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);
        Assert.Contains("insufficient_scope", forbidden.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await host.Operator.DeleteAsync($"/api/v1/keys/{id}?reason=done")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/api/v1/tasks")).StatusCode);
        var revoked = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/keys/{id}"));
        Assert.Equal("done", revoked.GetProperty("revoke_reason").GetString());
    }

    [Fact]
    public async Task Keys_AtRest_AreHashes()
    {
        await using var command = host.Database.CreateCommand("select count(*) from marionette.api_key k where k::text like '%' || $1 || '%'");
        command.Parameters.Add(new() { Value = host.OperatorToken[8..] });
        Assert.Equal(0L, await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task Key_Expired_Is401()
    {
        using var client = await host.ClientAsync("default", "tasks:read");
        await host.ExecuteAsync("update marionette.api_key set expires_at = now() - interval '1 second' where name = 'test'");
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/api/v1/tasks")).StatusCode);
    }

    [Theory]
    [InlineData("/api/v1/tasks", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/events", HttpStatusCode.OK)]
    public async Task TokenInQuery_OnStreamingRoutesAlone(string path, HttpStatusCode status)
    {
        using var client = host.Client(null);
        using var answer = await client.GetAsync($"{path}?token={host.OperatorToken}");
        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task Bootstrap_NextStart_KeepsItsToken()
    {
        var folder = TestFolder.Create();
        var keys = (ApiKeyStore)host.Services.GetService(typeof(ApiKeyStore))!;
        var first = await keys.EnsureBootstrapAsync(folder, TimeProvider.System);
        Assert.Equal(first, await keys.EnsureBootstrapAsync(folder, TimeProvider.System));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(folder, "secrets", "operator.token")));
        await host.ExecuteAsync("delete from marionette.api_key");
        Assert.NotEqual(first, await new ApiKeyStore(host.Database, TimeProvider.System).EnsureBootstrapAsync(folder, TimeProvider.System));
    }

    [Fact]
    public async Task TenMegabytes_Is413AndNothingChanged()
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", $$"""{"agent":"claude","name":"{{new string('x', 10_000_000)}}"}""");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("too_large", (await GatewayHost.JsonAsync(answer)).GetProperty("code").GetString());
        Assert.Empty(host.Cluster.Calls);
    }

    [Theory]
    [InlineData("/api/v1/sessions?limit=0")]
    [InlineData("/api/v1/sessions?limit=201")]
    [InlineData("/api/v1/sessions?limit=x")]
    [InlineData("/api/v1/sessions?limit=1&limit=2")]
    [InlineData("/api/v1/sessions?cursor=!!!")]
    [InlineData("/api/v1/sessions?cursor=AAAA")]
    [InlineData("/api/v1/sessions?status=nothing")]
    [InlineData("/api/v1/sessions?labels%5B%5D=x")]
    [InlineData("/api/v1/tasks?status=pending")]
    [InlineData("/api/v1/permissions?risk_level=none")]
    [InlineData("/api/v1/events?after=1")]
    [InlineData("/api/v1/events?types=A%25")]
    public async Task Query_Malformed_Is400(string path)
    {
        using var answer = await host.Operator.GetAsync(path);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.NotEqual(0, (await GatewayHost.JsonAsync(answer)).GetProperty("errors").GetArrayLength());
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\tb")]
    public async Task IdempotencyKey_Malformed_Is400(string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/sessions") { Content = new StringContent("""{"agent":"claude"}""", Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        using var answer = await host.Operator.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Empty(host.Cluster.Sessions);
    }

    [Fact]
    public async Task Runs_OfATask_ArePagedNewestFirst()
    {
        var session = await SessionAsync();
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/tasks", new { session_id = session, prompt = "hello" });
        var task = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
        var key = GrainKeys.Of("default", task);
        host.Cluster.Tasks[key] = host.Cluster.Tasks[key] with
        {
            Runs = [.. Enumerable.Range(1, 3).Select(i => new Marionette.Tasks.RunView { Id = $"trun_0VblLnwqr5JQkdm{i}", TaskId = task, Attempt = i })],
        };
        var first = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/tasks/{task}/runs?limit=2"));
        var second = await GatewayHost.JsonAsync(await host.Operator.GetAsync($"/api/v1/tasks/{task}/runs?limit=2&cursor={first.GetProperty("next_cursor").GetString()}"));
        Assert.Equal([3, 2, 1], first.GetProperty("items").EnumerateArray().Concat(second.GetProperty("items").EnumerateArray()).Select(run => run.GetProperty("attempt").GetInt32()));
        Assert.False(second.GetProperty("has_more").GetBoolean());
    }

    private async Task<string> SessionAsync()
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""");
        return (await GatewayHost.JsonAsync(answer)).GetProperty("id").GetString()!;
    }

    private Task<string> PermissionAsync(string tenant, string session, string task) => StateAsync("permission", tenant, 0,
        $$"""{"original_request_id":"r","session_id":"{{session}}","task_id":"{{task}}","run_id":"trun","tool":"Bash","action":"{}","status":"pending"}""");

    private async Task<string> StateAsync(string type, string tenant, int second, string state)
    {
        var id = EntityId.New(type switch { "session" => EntityId.Session, _ => EntityId.Permission }, new DateTimeOffset(2026, 1, 1, 0, 0, second, TimeSpan.Zero));
        var document = state.Insert(1, $"\"id\":\"{id}\",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\",");
        await host.ExecuteAsync(
            "insert into marionette.grain_state (grain_type, grain_key, version, state) values ($1, $2, 1, $3::jsonb)", type, GrainKeys.Of(tenant, id), document);
        return id;
    }
}
