using System.Net;
using System.Text;
using System.Text.Json;
using Marionette.AgentConfigs;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Tests.Support;
using Marionette.Tasks;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>Scheduled tasks and agent configurations over HTTP, with the real tables.</summary>
public sealed class ScheduleApiTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Schedules = "/api/v1/scheduled-tasks", Configs = "/api/v1/agent-configs";

    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartAsync(postgres);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Theory]
    [InlineData("""{}""", "name,cron_expression,prompt_template,session_id")]
    [InlineData("""{"name":"x","cron_expression":"every day","timezone":"Mars","prompt_template":"{{nothing}}","session_id":"nonsense"}""", "session_id,prompt_template,cron_expression,timezone")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"nobody","base_url":"x"}}""", "session.agent,session.base_url")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude","api_key":"sk-canary"}}""", "session.api_key")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude"},"session_id":"sess_0VblLnwqr5JQkdmN"}""", "session")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session_id":"sess_0VblLnwqr5JQkdmN"}""", "session_id")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude","agent_config_id":"acfg_0VblLnwqr5JQkdmN"}}""", "session.agent_config_id")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude","profile_id":"prof_0VblLnwqr5JQkdmN","provider":"dokcer"}}""", "session.profile_id,session.provider")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude","profile_id":"big","provider":"","network_policy":"shut"}}""", "session.network_policy,session.profile_id,session.provider")]
    [InlineData("""{"name":"x","cron_expression":"* * * * *","prompt_template":"p","session":{"agent":"claude"},"overlap_policy":"both","catch_up":"some","on_failure":"retry","after_run":"x","jitter_seconds":3601,"max_retries":11,"start_at":"soon"}""",
        "after_run,max_retries,on_failure,overlap_policy,catch_up,jitter_seconds,start_at")]
    public async Task Create_Malformed_NamesEveryField(string body, string fields)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, Schedules, body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain("canary", text, StringComparison.Ordinal);
        Assert.Equal(fields, string.Join(',', JsonDocument.Parse(text).RootElement.GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("field").GetString())));
        Assert.Empty(host.Cluster.Schedules);
    }

    [Fact]
    public async Task Create_SameKey_IsOneSchedule_AndTriggerIsOneTask()
    {
        var session = await RowAsync("session", "default", EntityId.Session, """{"agent":"claude","status":"active","workspace_id":"ws"}""");
        var body = new { name = "n", cron_expression = "0 9 * * *", prompt_template = "p {{labels.team}}", session_id = session, labels = new { team = "web" } };
        using var first = await GatewayHost.PostAsync(host.Operator, Schedules, body, "k1");
        using var second = await GatewayHost.PostAsync(host.Operator, Schedules, body, "k1");
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        var id = (await GatewayHost.JsonAsync(first)).GetProperty("id").GetString();
        Assert.Equal(id, (await GatewayHost.JsonAsync(second)).GetProperty("id").GetString());
        Assert.Single(host.Cluster.Schedules);

        using var one = await GatewayHost.PostAsync(host.Operator, $"{Schedules}/{id}/trigger", null, "t1");
        using var two = await GatewayHost.PostAsync(host.Operator, $"{Schedules}/{id}/trigger", null, "t1");
        var task = (await GatewayHost.JsonAsync(one)).GetProperty("id").GetString();
        Assert.StartsWith("task_", task, StringComparison.Ordinal);
        Assert.Equal(task, (await GatewayHost.JsonAsync(two)).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Create_SessionTemplate_KeepsItsBudgetAndGoesOnByItself()
    {
        using var answer = await GatewayHost.PostAsync(
            host.Operator, Schedules, """{"name":"n","cron_expression":"0 9 * * *","prompt_template":"p","session":{"agent":"claude","budget":{"max_cost_usd":2.5,"warn_percent":50},"auto_continue":true}}""");
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var stored = Assert.Single(host.Cluster.Schedules).Value.Session!;
        Assert.Equal((new Budget(2.5m, null, null, 50), true), (stored.Budget, stored.AutoContinue));
        var shown = SessionTemplateModel.Of(stored)!;
        Assert.Equal((2.5m, 50, true), (shown.Budget!.MaxCostUsd, shown.Budget.WarnPercent, shown.AutoContinue));
        using var wrong = await GatewayHost.PostAsync(
            host.Operator, Schedules, """{"name":"n","cron_expression":"0 9 * * *","prompt_template":"p","session":{"agent":"claude","budget":{"max_tokens":0}}}""");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Contains("session.budget.max_tokens", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_SessionThatHasEnded_IsRefused()
    {
        var session = await RowAsync("session", "default", EntityId.Session, """{"agent":"claude","status":"terminated","workspace_id":"ws"}""");
        using var answer = await GatewayHost.PostAsync(host.Operator, Schedules, new { name = "n", cron_expression = "0 9 * * *", prompt_template = "p", session_id = session });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("has ended", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_FiltersAreReadFromTheRows_OfTheTenantAlone()
    {
        var session = EntityId.New(EntityId.Session, DateTimeOffset.UnixEpoch);
        await RowAsync("scheduled_task", "default", EntityId.ScheduledTask, $$"""{"name":"a","status":"active","session_id":"{{session}}","labels":{"team":"web"},"live":[],"cursor":"2026-01-01T00:00:00Z"}""", 1);
        await RowAsync("scheduled_task", "default", EntityId.ScheduledTask, """{"name":"b","status":"paused","session":{"agent":"claude","labels":{}},"agent_config_id":"acfg_1","labels":{}}""", 2);
        await RowAsync("scheduled_task", "other", EntityId.ScheduledTask, """{"name":"c","status":"active","labels":{}}""", 3);
        foreach (var (query, names) in new[] { ("", "b,a"), ("?status=active", "a"), ($"?session_id={session}", "a"), ("?labels[team]=web", "a"), ("?agent_config_id=acfg_1", "b"), ("?limit=1", "b") })
        {
            var page = await GatewayHost.JsonAsync(await host.Operator.GetAsync(Schedules + query));
            Assert.Equal(names, string.Join(',', page.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("name").GetString())));
        }
    }

    [Fact]
    public async Task History_ShowsWhatIs_AndFilters()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, Schedules, new { name = "n", cron_expression = "0 9 * * *", prompt_template = "p", session = new { agent = "claude" } });
        var id = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString();
        var items = (await GatewayHost.JsonAsync(await host.Operator.GetAsync($"{Schedules}/{id}/history"))).GetProperty("items");
        Assert.Equal(2, items.GetArrayLength());
        Assert.False(items[0].TryGetProperty("task_id", out _)); // it waits: there is no such task yet
        Assert.Equal(3, items[1].GetProperty("count").GetInt32());
        Assert.Equal(1, (await GatewayHost.JsonAsync(await host.Operator.GetAsync($"{Schedules}/{id}/history?status=missed"))).GetProperty("items").GetArrayLength());
        Assert.Equal(HttpStatusCode.BadRequest, (await host.Operator.GetAsync($"{Schedules}/{id}/history?status=none")).StatusCode);
    }

    [Fact]
    public async Task Config_Secrets_AreSealedForItAlone_AndNeverShown()
    {
        const string body = """{"name":"n","agent":"claude","api_key":"sk-canary-1","base_url":"https://m.example","env":{"A":"canary-2"},"options":{"mcp":{"h":"canary-3"}},"extra":{"x":1}}""";
        using var first = await GatewayHost.PostAsync(host.Operator, Configs, body, "k1");
        using var second = await GatewayHost.PostAsync(host.Operator, Configs, body, "k1");
        var shown = await first.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.DoesNotContain("canary", shown, StringComparison.Ordinal);
        var view = JsonDocument.Parse(shown).RootElement;
        Assert.True(view.GetProperty("has_api_key").GetBoolean());
        Assert.Equal(("A", "mcp"), (view.GetProperty("env_names")[0].GetString(), view.GetProperty("option_names")[0].GetString()));

        var (key, change) = Assert.Single(host.Cluster.Configs);
        var id = GrainKeys.Split(key).Id;
        var sealer = new SecretSealer(new MasterKey(new byte[32]));
        Assert.Equal("sk-canary-1", sealer.Open("default", id, change.Credential!, AgentConfigSecrets.Credential).ApiKey);
        Assert.Equal("canary-2", sealer.Open("default", id, change.Env!, AgentConfigSecrets.Env).Env!["A"]);
        Assert.Contains("canary-3", sealer.Open("default", id, change.Options!, AgentConfigSecrets.Options).Options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", Encoding.Latin1.GetString(change.Credential!.Box) + change, StringComparison.Ordinal);
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => sealer.Open("default", "acfg_0VblLnwqr5JQkdmN", change.Credential!, AgentConfigSecrets.Credential));
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => sealer.Open("other", id, change.Credential!, AgentConfigSecrets.Credential));
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => sealer.Open("default", id, change.Credential!, AgentConfigSecrets.Env));
    }

    [Theory]
    [InlineData("""{}""", "name,agent")]
    [InlineData("""{"name":"x","agent":"nobody","base_url":"ftp://x","env":{"HOME":"x"},"extra":[],"options":"x"}""", "agent,env.HOME,base_url,extra,options")]
    [InlineData("""{"name":"x","agent":"claude","api_key":"two words"}""", "api_key")]
    public async Task Config_Malformed_NamesEveryField(string body, string fields)
    {
        using var answer = await GatewayHost.PostAsync(host.Operator, Configs, body);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(fields, string.Join(',', (await GatewayHost.JsonAsync(answer)).GetProperty("errors").EnumerateArray().Select(error => error.GetProperty("field").GetString())));
    }

    [Fact]
    public async Task Config_Update_TouchesWhatIsGivenAlone()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, Configs, new { name = "n", agent = "claude", api_key = "sk-1" });
        var id = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString();
        foreach (var method in new[] { HttpMethod.Patch, HttpMethod.Put })
        {
            using var request = new HttpRequestMessage(method, $"{Configs}/{id}") { Content = new StringContent("""{"model":"opus","api_key":""}""", Encoding.UTF8, "application/json") };
            using var answer = await host.Operator.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var change = host.Cluster.Configs.Single().Value;
            Assert.Equal(("opus", null, 0), (change.Model, change.Name, change.Credential!.Box.Length));
            Assert.Null(change.Env);
        }
    }

    [Fact]
    public async Task Session_WithoutAKey_GetsTheTenantsDefault()
    {
        var config = await RowAsync("agent_config", "default", EntityId.AgentConfig, """{"name":"n","agent":"claude","has_api_key":true}""");
        await host.ExecuteAsync("insert into marionette.grain_state (grain_type, grain_key, version, state) values ('agent_default', 'default/claude', 1, jsonb_build_object('config_id', $1::text))", config);
        using var other = await host.ClientAsync("other", "*");
        foreach (var (client, body, expected) in new[]
        {
            (host.Operator, """{"agent":"claude"}""", config), (host.Operator, """{"agent":"claude","api_key":"sk"}""", null),
            (host.Operator, """{"agent":"command","command":["true"]}""", null), (other, """{"agent":"claude"}""", null),
        })
        {
            host.Cluster.Sessions.Clear();
            using var made = await GatewayHost.PostAsync(client, "/api/v1/sessions", body);
            Assert.Equal(HttpStatusCode.Created, made.StatusCode);
            Assert.Equal(expected, Assert.Single(host.Cluster.Sessions).Value.AgentConfigId);
        }

        var listed = (await GatewayHost.JsonAsync(await host.Operator.GetAsync($"{Configs}?agent=claude"))).GetProperty("items");
        Assert.True(listed[0].GetProperty("is_default").GetBoolean());
        Assert.Equal(0, (await GatewayHost.JsonAsync(await other.GetAsync(Configs))).GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Template_SaysWhereSessionsRun_AndShowsIt()
    {
        var profile = await RowAsync("profile", "default", EntityId.Profile, """{"name":"big","shape":{},"allowed_hosts":[],"labels":{}}""");
        using var made = await GatewayHost.PostAsync(host.Operator, Schedules, new
        {
            name = "n", cron_expression = "0 9 * * *", prompt_template = "p",
            session = new { agent = "claude", profile_id = profile, provider = "docker", network_policy = "allow_list", allowed_hosts = new[] { "A.example:443" } },
        });
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var kept = Assert.Single(host.Cluster.Schedules).Value.Session!;
        Assert.Equal((profile, "docker", "allow_list", "a.example:443"), (kept.ProfileId, kept.Provider, kept.NetworkPolicy, Assert.Single(kept.AllowedHosts)));
        var shown = (await GatewayHost.JsonAsync(made)).GetProperty("session");
        Assert.Equal((profile, "docker"), (shown.GetProperty("profile_id").GetString(), shown.GetProperty("provider").GetString()));

        // A template without a policy leaves it to the profile, and says nothing of one.
        using var plain = await GatewayHost.PostAsync(host.Operator, Schedules, new { name = "m", cron_expression = "0 9 * * *", prompt_template = "p", session = new { agent = "claude" } });
        Assert.False((await GatewayHost.JsonAsync(plain)).GetProperty("session").TryGetProperty("network_policy", out _));
    }

    [Theory]
    [InlineData("session", """{"agent":"claude","status":"suspended","workspace_id":"ws","agent_config_id":"$"}""", HttpStatusCode.Conflict)]
    [InlineData("session", """{"agent":"claude","status":"terminated","workspace_id":"ws","agent_config_id":"$"}""", HttpStatusCode.NoContent)]
    [InlineData("scheduled_task", """{"name":"s","status":"paused","agent_config_id":"$"}""", HttpStatusCode.Conflict)]
    public async Task Config_InUse_IsNotDeleted(string type, string row, HttpStatusCode status)
    {
        using var made = await GatewayHost.PostAsync(host.Operator, Configs, new { name = "n", agent = "claude" });
        var id = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
        await RowAsync(type, "default", type == "session" ? EntityId.Session : EntityId.ScheduledTask, row.Replace("$", id, StringComparison.Ordinal));
        using var answer = await host.Operator.DeleteAsync($"{Configs}/{id}");
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal(status == HttpStatusCode.NoContent, host.Cluster.Calls.Any(call => call.StartsWith("DeleteAsync", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task ScopesAndTenants_AreKeptApart()
    {
        using var reader = await host.ClientAsync("default", "scheduled-tasks:read", "agent-configs:read");
        using var other = await host.ClientAsync("other", "*");
        using var config = await GatewayHost.PostAsync(host.Operator, Configs, new { name = "n", agent = "claude" });
        using var schedule = await GatewayHost.PostAsync(host.Operator, Schedules, new { name = "n", cron_expression = "0 9 * * *", prompt_template = "p", session = new { agent = "claude" } });
        foreach (var (path, made) in new[] { (Configs, config), (Schedules, schedule) })
        {
            var id = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString();
            Assert.Equal(HttpStatusCode.OK, (await reader.GetAsync($"{path}/{id}")).StatusCode);
            Assert.Equal(HttpStatusCode.Forbidden, (await reader.DeleteAsync($"{path}/{id}")).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await other.GetAsync($"{path}/{id}")).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await other.DeleteAsync($"{path}/{id}")).StatusCode);
            Assert.Equal(HttpStatusCode.NotFound, (await host.Operator.GetAsync($"{path}/sess_0VblLnwqr5JQkdmN")).StatusCode);
        }
    }

    private async Task<string> RowAsync(string type, string tenant, string prefix, string state, int second = 0)
    {
        var id = EntityId.New(prefix, new DateTimeOffset(2026, 1, 1, 0, 0, second, TimeSpan.Zero));
        var document = state.Insert(1, $"\"id\":\"{id}\",\"created_at\":\"2026-01-01T00:00:00Z\",\"updated_at\":\"2026-01-01T00:00:00Z\",");
        await host.ExecuteAsync(
            "insert into marionette.grain_state (grain_type, grain_key, version, state) values ($1, $2, 1, $3::jsonb)", type, GrainKeys.Of(tenant, id), document);
        return id;
    }
}
