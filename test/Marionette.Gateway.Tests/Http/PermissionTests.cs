using System.Net;
using System.Text.Json;
using Marionette.Gateway.Links;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Tests.Support;
using Marionette.Permissions;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Policies, bulk answers, links and hooks over HTTP, with the real tables.</summary>
public sealed class PermissionTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly DateTimeOffset Made = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private GatewayHost host = null!;
    private string session = "";

    public async ValueTask InitializeAsync()
    {
        host = await GatewayHost.StartAsync(postgres);
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""");
        session = (await GatewayHost.JsonAsync(answer)).GetProperty("id").GetString()!;
    }

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task Policies_AreKeptInOrder_AndALostUpdateIsRefused()
    {
        var first = await RuleAsync(new { effect = "deny", commands = new[] { "rm *" } });
        var second = await RuleAsync(new { effect = "allow", tools = new[] { "Read" }, position = 0 });
        using var list = await host.Operator.GetAsync("/api/v1/policies");
        Assert.Equal([second, first], (await GatewayHost.JsonAsync(list)).GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()));
        Assert.Equal("\"2\"", list.Headers.ETag?.Tag);

        using var write = new HttpRequestMessage(HttpMethod.Put, $"/api/v1/policies/{first}")
        {
            Headers = { { "If-Match", "\"1\"" } }, Content = new StringContent("""{"effect":"ask"}""", null, "application/json"),
        };
        using var refused = await host.Operator.SendAsync(write);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        using var nonsense = new HttpRequestMessage(HttpMethod.Put, $"/api/v1/policies/{first}")
        {
            Headers = { { "If-Match", "\"x\"" } }, Content = new StringContent("""{"effect":"ask"}""", null, "application/json"),
        };
        using var bad = await host.Operator.SendAsync(nonsense);
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Theory]
    [InlineData("""{}""", "effect")]
    [InlineData("""{"effect":"maybe"}""", "effect")]
    [InlineData("""{"effect":"allow","tools":[]}""", "tools")]
    [InlineData("""{"effect":"allow","commands":[""]}""", "commands[0]")]
    [InlineData("""{"effect":"allow","paths":["a\u0000"]}""", "paths[0]")]
    [InlineData("""{"effect":"allow","hosts":["https://x"]}""", "hosts[0]")]
    [InlineData("""{"effect":"allow","categories":["shell"]}""", "categories")]
    [InlineData("""{"effect":"allow","risk_at_least":"mild"}""", "risk_at_least")]
    [InlineData("""{"effect":"allow","risk_at_least":"high","risk_at_most":"low"}""", "risk_at_most")]
    [InlineData("""{"effect":"allow","ask":{}}""", "ask")]
    [InlineData("""{"effect":"ask","ask":{"required_approvals":3}}""", "ask.required_approvals")]
    [InlineData("""{"effect":"ask","ask":{"escalation":[{"after_seconds":5}]}}""", "ask.escalation[0]")]
    [InlineData("""{"effect":"ask","ask":{"timeout_seconds":5,"escalation":[{"after_seconds":5,"remind":true}]}}""", "ask.escalation")]
    [InlineData("""{"effect":"ask","ask":{"escalation":[{"after_seconds":5,"remind":true},{"after_seconds":5,"remind":true}]}}""", "ask.escalation[1].after_seconds")]
    [InlineData("""{"effect":"ask","position":-1}""", "position")]
    public async Task Policy_WrongField_IsNamed(string body, string field)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/policies", body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains((await GatewayHost.JsonAsync(answer)).GetProperty("errors").EnumerateArray(), error => error.GetProperty("field").GetString() == field);
    }

    [Fact]
    public async Task Remember_ForTheTenant_NeedsTheScopeOfPolicies()
    {
        var id = await RequestAsync();
        using var person = await host.ClientAsync("default", "permissions:write");
        using var refused = await GatewayHost.PostAsync(person, $"/api/v1/permissions/{id}/approve", """{"remember":"tenant"}""");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Empty(host.Cluster.Decisions);

        var rule = new PolicyRule { Id = "pol_0VblLnwqr5JQkdmN", Effect = PolicyEffect.Allow, Commands = ["x"] };
        host.Cluster.OnDecide = command => View(command.PermissionId) with { Status = PermissionStatus.Approved, Remembered = rule };
        using var allowed = await GatewayHost.PostAsync(host.Operator, $"/api/v1/permissions/{id}/approve", """{"remember":"tenant"}""");
        Assert.Equal(rule.Id, (await GatewayHost.JsonAsync(allowed)).GetProperty("rule").GetProperty("id").GetString());
        Assert.Equal(rule.Id, Assert.Single(host.Cluster.Policies["default/policies"].Rules).Id);
    }

    [Fact]
    public async Task Bulk_EachIsAnsweredForItself()
    {
        var open = await RequestAsync();
        host.Cluster.OnDecide = command => command.Allow ? View(command.PermissionId) with { Status = PermissionStatus.Approved } : throw new InvalidOperationException();
        using var answer = await GatewayHost.PostAsync(
            host.Operator, "/api/v1/permissions/decide", new { ids = new[] { open, "perm_0000000000000000", "nonsense" }, decision = "approve" }, "k");
        var items = (await GatewayHost.JsonAsync(answer)).GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(["approved", null, null], items.Select(item => item.TryGetProperty("status", out var status) ? status.GetString() : null));
        Assert.All(items.Skip(1), item => Assert.Equal("not_found", item.GetProperty("code").GetString()));

        using var again = await GatewayHost.PostAsync(
            host.Operator, "/api/v1/permissions/decide", new { ids = new[] { open, "perm_0000000000000000", "nonsense" }, decision = "approve" }, "k");
        Assert.Single(host.Cluster.Decisions.Select(d => d.CommandId).Distinct()); // The same command: the session does it once.
    }

    [Theory]
    [InlineData("""{"decision":"approve"}""")]
    [InlineData("""{"decision":"approve","filter":{}}""")]
    [InlineData("""{"decision":"approve","ids":[]}""")]
    [InlineData("""{"decision":"yes","ids":["x"]}""")]
    [InlineData("""{"decision":"approve","ids":["x"],"filter":{"tool":["Bash"]}}""")]
    public async Task Bulk_WithoutAClearChoice_IsRefused(string body)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/permissions/decide", body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Bulk_ByFilter_TakesOpenOnesOfThisTenantAlone()
    {
        var open = await RequestAsync();
        await RequestAsync("approved");
        await RequestAsync("pending", "other");
        host.Cluster.OnDecide = command => View(command.PermissionId) with { Status = PermissionStatus.Denied };
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/permissions/decide", new { filter = new { tool = new[] { "Bash" } }, decision = "deny" });
        Assert.Equal(open, Assert.Single((await GatewayHost.JsonAsync(answer)).GetProperty("items").EnumerateArray()).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Link_ShowsAndChangesNothing_ThenAnswersOnce()
    {
        var id = await RequestAsync();
        var url = await LinkAsync(id, new { actor = "ann" });
        using var nobody = host.Client(null);
        using var page = await nobody.GetAsync(url);
        var html = await page.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("&lt;script&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("no-store", page.Headers.CacheControl?.ToString());
        Assert.Equal("no-referrer", page.Headers.GetValues("Referrer-Policy").Single());
        Assert.Empty(host.Cluster.Decisions);

        host.Cluster.OnDecide = command => View(id) with { Status = PermissionStatus.Denied };
        using var denied = await nobody.PostAsync(url, Form("deny", "not today"));
        Assert.Contains("Denied", await denied.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var decision = Assert.Single(host.Cluster.Decisions);
        Assert.Equal(("ann", false, "not today"), (decision.Actor, decision.Allow, decision.Reason));

        await host.ExecuteAsync(
            $$"""update marionette.grain_state set state = state || '{"status":"denied","decided_by_command":"{{decision.CommandId}}"}' where grain_key = $1""", $"default/{id}");
        using var again = await nobody.PostAsync(url, Form("approve"));
        Assert.Equal(HttpStatusCode.Gone, again.StatusCode);
        Assert.Contains("was used", await again.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Single(host.Cluster.Decisions);
    }

    [Fact]
    public async Task Link_Forged_Foreign_Cut_OrOfARevokedKey_OpensNothing()
    {
        var id = await RequestAsync();
        using var maker = await host.ClientAsync("default", "permissions:*");
        var url = await LinkAsync(id, new { actor = "ann", actions = new[] { "deny" } }, maker);
        using var nobody = host.Client(null);
        var other = new PermissionLinks(new MasterKey(Enumerable.Repeat((byte)1, 32).ToArray())).Sign(
            new PermissionLink("plnk_1", "default", session, id, "eve", "key", long.MaxValue, ["approve"]));
        foreach (var wrong in new[] { url[..^1] + (url[^1] == 'A' ? 'B' : 'A'), url[..^10], $"{host.Url}links/{other}", $"{host.Url}links/x", $"{host.Url}links/a.b" })
        {
            using var answer = await nobody.PostAsync(wrong, Form("approve"));
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        using var notItsAction = await nobody.PostAsync(url, Form("approve"));
        Assert.Equal(HttpStatusCode.Forbidden, notItsAction.StatusCode);
        var keys = (await GatewayHost.JsonAsync(await host.Operator.GetAsync("/api/v1/keys"))).GetProperty("items").EnumerateArray();
        using var revoked = await host.Operator.DeleteAsync($"/api/v1/keys/{keys.First(key => key.GetProperty("name").GetString() == "test").GetProperty("id").GetString()}");
        using var dead = await nobody.PostAsync(url, Form("deny"));
        Assert.Equal(HttpStatusCode.Gone, dead.StatusCode);
        Assert.Empty(host.Cluster.Decisions);
    }

    [Fact]
    public async Task Link_OfAnAnsweredRequest_IsNotMade()
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, $"/api/v1/permissions/{await RequestAsync("approved")}/links", new { actor = "ann" });
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
    }

    [Theory]
    [InlineData("ftp://x.example")]
    [InlineData("https://user:secret@x.example")]
    [InlineData("x.example")]
    [InlineData("")]
    public async Task Hook_WithAnotherAddress_IsRefused(string url)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/permission-hooks", new { url });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Hook_SecretIsShownOnce_AndStoredSealed()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/permission-hooks", new { url = "https://x.example/y", secret = "canary-canary-canary" }, "h1");
        Assert.Equal("canary-canary-canary", (await GatewayHost.JsonAsync(made)).GetProperty("secret").GetString());
        using var again = await GatewayHost.PostAsync(host.Operator, "/api/v1/permission-hooks", new { url = "https://x.example/y", secret = "canary-canary-canary" }, "h1");
        Assert.False((await GatewayHost.JsonAsync(again)).TryGetProperty("secret", out _));
        var hook = Assert.Single(host.Cluster.Policies["default/policies"].Hooks);
        Assert.DoesNotContain("canary", JsonSerializer.Serialize(hook), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", await host.Operator.GetStringAsync("/api/v1/permission-hooks"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hook_WrittenAnew_KeepsItsSecretUnlessThereIsAnother()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/permission-hooks", new { url = "https://x.example/y", name = "first" });
        var id = (await GatewayHost.JsonAsync(made)).GetProperty("hook").GetProperty("id").GetString()!;
        var before = Assert.Single(host.Cluster.Policies["default/policies"].Hooks);

        var written = await PutHookAsync(id, """{"url":"https://z.example","risk_at_least":"high","paused":true}""");
        Assert.Equal(HttpStatusCode.OK, written.Status);
        Assert.True(written.Body.GetProperty("paused").GetBoolean());
        var after = Assert.Single(host.Cluster.Policies["default/policies"].Hooks);
        Assert.Equal((id, "https://z.example", null, "high", true), (after.Id, after.Url, after.Name, after.RiskAtLeast, after.Paused));
        Assert.Equal((before.Secret, before.CreatedAt, before.CreatedBy), (after.Secret, after.CreatedAt, after.CreatedBy));

        Assert.Equal(HttpStatusCode.OK, (await PutHookAsync(id, """{"url":"https://z.example","secret":"canary-canary-canary"}""")).Status);
        Assert.NotEqual(before.Secret, host.Cluster.Policies["default/policies"].Hooks[0].Secret);
        Assert.False(host.Cluster.Policies["default/policies"].Hooks[0].Paused);
        Assert.Equal(HttpStatusCode.BadRequest, (await PutHookAsync(id, """{"paused":true}""")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await PutHookAsync(EntityId.New(EntityId.PermissionHook, Made), """{"url":"https://z.example"}""")).Status);
    }

    [Fact]
    public async Task Bulk_AnswersABudgetOnlyWhenItNamesIt()
    {
        var request = await RequestAsync(budget: "task");
        using var all = await GatewayHost.PostAsync(host.Operator, "/api/v1/permissions/decide", new { decision = "deny", filter = new { session_id = session } });
        Assert.Equal(0, (await GatewayHost.JsonAsync(all)).GetProperty("items").GetArrayLength());
        using var named = await GatewayHost.PostAsync(
            host.Operator, "/api/v1/permissions/decide", new { decision = "deny", filter = new { session_id = session, category = new[] { "budget" } } });
        Assert.Equal(request, Assert.Single((await GatewayHost.JsonAsync(named)).GetProperty("items").EnumerateArray()).GetProperty("id").GetString());
        using var view = await host.Operator.GetAsync($"/api/v1/permissions/{request}");
        Assert.False((await GatewayHost.JsonAsync(view)).TryGetProperty("expires_at", out _));
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> PutHookAsync(string id, string body)
    {
        using var content = new StringContent(body, null, "application/json");
        using var answer = await host.Operator.PutAsync($"/api/v1/permission-hooks/{id}", content);
        return (answer.StatusCode, await GatewayHost.JsonAsync(answer));
    }

    private static FormUrlEncodedContent Form(string action, string reason = "") => new(new Dictionary<string, string> { ["action"] = action, ["reason"] = reason });

    private static PermissionView View(string id) =>
        new() { Id = id, OriginalRequestId = "r", SessionId = "s", TaskId = "t", RunId = "r", Tool = "Bash", Action = "{}", CreatedAt = Made, UpdatedAt = Made, ExpiresAt = Made };

    private async Task<string> RuleAsync(object rule)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, "/api/v1/policies", rule);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return (await GatewayHost.JsonAsync(answer)).GetProperty("id").GetString()!;
    }

    private async Task<string> LinkAsync(string id, object body, HttpClient? maker = null)
    {
        using var answer = await GatewayHost.PostAsync(maker ?? host.Operator, $"/api/v1/permissions/{id}/links", body);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return (await GatewayHost.JsonAsync(answer)).GetProperty("url").GetString()!;
    }

    private async Task<string> RequestAsync(string status = "pending", string tenant = "default", string? budget = null)
    {
        var id = EntityId.New(EntityId.Permission, Made);
        var state = JsonSerializer.Serialize(new
        {
            id, original_request_id = "r", session_id = session, task_id = "task", run_id = "trun", tool = "Bash", action = "{}", command = "echo '<script>'", status,
            risk_level = "high", created_at = Made, updated_at = Made, expires_at = budget is null ? DateTimeOffset.UtcNow.AddHours(1) : PermissionView.Never,
            category = budget is null ? "command" : "budget", budget,
        });
        await host.ExecuteAsync(
            "insert into marionette.grain_state (grain_type, grain_key, version, state) values ('permission', $1, 1, $2::jsonb)", GrainKeys.Of(tenant, id), state);
        return id;
    }
}
