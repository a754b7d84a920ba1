using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Agent configurations with the real Claude Code: what the model is sent, and when.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class AgentConfigTests(SharedStack shared)
{
    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Config_GivesKeyAddressModelAndEnvironment_AndANewKeyCountsFromTheNextAttach()
    {
        var (first, second) = (Key(), Key());
        var config = await CreateAsync(new
        {
            name = "team", agent = "claude", api_key = first, base_url = Stack.Model.Url.ToString(), model = "claude-opus-4-5", env = new Dictionary<string, string> { ["TEAM_NAME"] = "from-the-config" },
        });
        var session = await Api.CreateSessionAsync(new { agent = "claude", agent_config_id = config });
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal((config, "claude-opus-4-5"), (view.Text("agent_config_id"), view.Text("model")));

        var task = await Api.RunAllowedAsync(session, "@scenario shell cmd='env > env.txt'\n@scenario say text=done");
        Assert.Equal("completed", task.Text("status"));
        Assert.Contains("TEAM_NAME=from-the-config", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "env.txt")));
        Assert.Contains(Hash(first), Keys());

        await PatchAsync(config, new { api_key = second });
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await Api.SessionInAsync(session, "suspended");
        Assert.DoesNotContain(Hash(second), Keys());
        Assert.Equal("completed", (await Api.RunAsync(session, "@scenario say text=again")).Text("status"));
        Assert.Contains(Hash(second), Keys());
    }

    [Fact]
    public async Task DefaultOfATenant_IsUsedWhereNoneIsNamedAndNoKeyIsBrought()
    {
        // A tenant of its own: a default would reach the sessions of other tests.
        var api = await Stack.OtherTenantAsync("defaults");
        var key = Key();
        var made = await api.PostAsync("/api/v1/agent-configs", new { name = "d", agent = "claude", api_key = key, base_url = Stack.Model.Url.ToString(), is_default = true });
        Assert.True(made.GetProperty("is_default").GetBoolean());
        var session = await api.CreateSessionAsync(new { agent = "claude" });
        Assert.Equal(made.Id(), (await api.GetAsync($"/api/v1/sessions/{session}")).Text("agent_config_id"));
        Assert.Equal("completed", (await api.RunAsync(session, "@scenario say text=hi")).Text("status"));
        Assert.Contains(Hash(key), Keys());

        var own = await api.CreateSessionAsync(new { agent = "claude", api_key = "sk-own" });
        Assert.Null((await api.GetAsync($"/api/v1/sessions/{own}")).Text("agent_config_id"));

        var other = await api.PostAsync("/api/v1/agent-configs", new { name = "e", agent = "claude", is_default = true });
        var list = (await api.GetAsync("/api/v1/agent-configs")).Items();
        Assert.Equal(other.Id(), Assert.Single(list, item => item.GetProperty("is_default").GetBoolean()).Id());
    }

    [Fact]
    public async Task Key_GoesToItsOwnAddressAlone()
    {
        var config = await CreateAsync(new { name = "k", agent = "claude", api_key = Key(), base_url = Stack.Model.Url.ToString() });
        var (status, problem) = await RefusedAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "claude", agent_config_id = config, base_url = "http://127.0.0.1:9/" });
        Assert.Equal((HttpStatusCode.BadRequest, "base_url"), (status, problem.GetProperty("errors")[0].Text("field")));
        (status, problem) = await RefusedAsync(HttpMethod.Patch, $"/api/v1/agent-configs/{config}", new { base_url = "http://127.0.0.1:9/" });
        Assert.Equal((HttpStatusCode.BadRequest, "api_key"), (status, problem.GetProperty("errors")[0].Text("field")));
    }

    [Fact]
    public async Task InUse_CannotBeDeleted_AndIsFreeWhenTheSessionHasEnded()
    {
        var config = await CreateAsync(new { name = "u", agent = "command" });
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "cat" }, agent_config_id = config });
        var (status, problem) = await RefusedAsync(HttpMethod.Delete, $"/api/v1/agent-configs/{config}", null);
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains(session, problem.Text("detail"));
        using (var ended = await Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session}")) Assert.Equal(HttpStatusCode.NoContent, ended.StatusCode);
        using (var deleted = await Api.SendAsync(HttpMethod.Delete, $"/api/v1/agent-configs/{config}")) Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        (status, problem) = await RefusedAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "command", command = new[] { "cat" }, agent_config_id = config });
        Assert.Equal((HttpStatusCode.BadRequest, "agent_config_id"), (status, problem.GetProperty("errors")[0].Text("field")));
    }

    [Fact]
    public async Task GoneUnderItsSession_EndsItWithTheReason()
    {
        var config = await CreateAsync(new { name = "g", agent = "command" });
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "cat" }, agent_config_id = config });
        // Past the check: as a deletion in the same moment as the session's creation would leave it.
        await Database.ExecuteAsync(Stack, $"update marionette.grain_state set state = 'null', version = version + 1 where grain_key = 'default/{config}'");
        var task = await Api.SubmitAsync(session, "hello");
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal(("failed", "agent_config_missing"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.Contains(config, (await Api.SessionInAsync(session, "failed")).Text("reason"));
    }

    [Fact]
    public async Task CommandLine_KeyFromAVariable_IsNeverShown()
    {
        var key = Key();
        var variables = new Dictionary<string, string> { ["MARIONETTE_API_URL"] = Stack.ApiUrl, ["MARIONETTE_API_KEY"] = Stack.ApiKey, ["MODEL_KEY"] = key };
        var made = await CommandLine.RunAsync(variables, "agent-configs", "create", "--name", "cli", "--api-key-env", "MODEL_KEY", "--base-url", Stack.Model.Url.ToString(),
            "--labels", "team=cli", "-o", "json");
        Assert.True(made.ExitCode == 0, made.ToString());
        var id = made.Json.Id();
        Assert.True(made.Json.GetProperty("has_api_key").GetBoolean());
        var shown = new StringBuilder(made.ToString());
        foreach (var words in new string[][] { ["agent-configs", "list", "--labels", "team=cli"], ["agent-configs", "get", id], ["agent-configs", "update", id, "--name", "renamed"] })
        {
            var result = await CommandLine.RunAsync(variables, words);
            Assert.True(result.ExitCode == 0, result.ToString());
            Assert.Contains(id, result.Output);
            shown.Append(result);
        }

        var session = await CommandLine.RunAsync(variables, "sessions", "create", "--agent-config", id, "-o", "json");
        Assert.Equal(id, session.Json.Text("agent_config_id"));
        Assert.Equal("completed", (await Api.RunAsync(session.Json.Id(), "@scenario say text=hi")).Text("status"));
        Assert.Contains(Hash(key), Keys());
        Assert.DoesNotContain(key, shown.ToString());
    }

    private static string Key() => "sk-config-" + RandomNumberGenerator.GetHexString(24, lowercase: true);

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key)));

    private List<string?> Keys() => [.. Stack.Model.Requests.Select(request => request.KeySha256)];

    private async Task<string> CreateAsync(object body) => (await Api.PostAsync("/api/v1/agent-configs", body)).Id();

    private async Task PatchAsync(string id, object body)
    {
        using var changed = await Api.SendAsync(HttpMethod.Patch, $"/api/v1/agent-configs/{id}", body);
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
    }

    private async Task<(HttpStatusCode Status, JsonElement Problem)> RefusedAsync(HttpMethod method, string path, object? body)
    {
        using var answer = await Api.SendAsync(method, path, body);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }
}
