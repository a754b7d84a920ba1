using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Who may: no key, a wrong one, one without the scope, one of somebody else. On every route that the contract names.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class AccessTests(AbuseWorld world) : IClassFixture<AbuseWorld>
{
    private static readonly string[] Scopes =
        ["sessions:read", "sessions:write", "tasks:read", "tasks:write", "permissions:read", "permissions:write", "policies:read", "policies:write", "runners:read", "events:read", "keys:read", "keys:write",
         "scheduled-tasks:read", "scheduled-tasks:write", "agent-configs:read", "agent-configs:write", "profiles:read", "profiles:write", "usage:read", "usage:write", "workspaces:read", "workspaces:write"];

    [Fact]
    public async Task EveryRoute_WithoutAValidKey_IsRefused()
    {
        var before = await world.FingerprintAsync();
        var revoked = await world.Owner.PostAsync("/api/v1/keys", new { name = "revoked" });
        (await world.Owner.SendAsync(HttpMethod.Delete, $"/api/v1/keys/{revoked.GetProperty("key").Id()}")).Dispose();
        var expiring = await world.Owner.PostAsync("/api/v1/keys", new { name = "expired", expires_at = DateTime.UtcNow.AddSeconds(1) });
        var expired = new Api(world.Url, expiring.Text("raw_token")!);
        await Wait.ForAsync(async () => (await expired.SendAsync(HttpMethod.Get, "/api/v1/sessions")).StatusCode == System.Net.HttpStatusCode.Unauthorized, "the key to expire");
        before = await WithKeysAsync(before);

        string?[] credentials =
        [
            null, "Bearer", "Bearer ", "Bearer nonsense", "Bearer mk_" + new string('A', 43), $"Bearer {revoked.Text("raw_token")}", $"Bearer {expiring.Text("raw_token")}",
            $"Basic {Convert.ToBase64String("operator:x"u8)}", $"bearer mk_{new string('A', 5000)}", world.Stack.ApiKey,
        ];
        using var http = new HttpClient { BaseAddress = new Uri(world.Url) };
        foreach (var operation in world.Operations)
        {
            foreach (var credential in credentials)
            {
                using var request = new HttpRequestMessage(operation.Method, world.Own(operation));
                if (operation.Method == HttpMethod.Post) request.Content = AbuseWorld.Json(world.GoodBody(operation));
                if (credential is not null) request.Headers.TryAddWithoutValidation("Authorization", credential);
                using var response = await http.SendAsync(request);
                await Problems.CheckAsync(response, 401, $"{operation} as {credential?[..Math.Min(credential.Length, 20)]}");
                Assert.NotEmpty(response.Headers.WwwAuthenticate);
            }
        }

        Assert.Equal(before, await world.FingerprintAsync());
    }

    [Fact]
    public async Task Token_InTheQuery_IsForStreamsAlone()
    {
        var token = world.Owner.Http.DefaultRequestHeaders.Authorization!.Parameter;
        using var http = new HttpClient { BaseAddress = new Uri(world.Url) };
        foreach (var operation in world.Operations.Where(operation => operation.Method == HttpMethod.Get && !operation.Path.EndsWith("/events", StringComparison.Ordinal) && !operation.Path.EndsWith("/stream", StringComparison.Ordinal)))
        {
            using var response = await http.GetAsync($"{world.Own(operation)}?token={token}");
            await Problems.CheckAsync(response, 401, operation.ToString());
        }

        using var events = await http.GetAsync($"/api/v1/sessions/{world.Ids["sessions"]}/events?token={token}");
        Assert.True(events.IsSuccessStatusCode);
    }

    [Fact]
    public async Task EveryRoute_WithoutItsScope_IsRefused_AndWithItAloneIsNot()
    {
        var needed = world.Operations.Select(operation => operation.Scope).Distinct().ToList();
        Assert.Subset(Scopes.Append("operator").ToHashSet(), needed.ToHashSet());
        var keys = new Dictionary<string, (Api Without, Api With)>();
        foreach (var scope in needed) keys[scope] = (await KeyAsync(Scopes.Where(other => other != scope)), scope == "operator" ? world.Stack.Api : await KeyAsync([scope]));
        var before = await world.FingerprintAsync();
        foreach (var operation in world.Operations)
        {
            using var without = await SendAsync(keys[operation.Scope].Without, operation, world.Own(operation));
            Assert.Contains(operation.Scope, await Problems.CheckAsync(without, 403, operation.ToString()));
            // An id that nothing has: the key gets through, and nothing happens.
            var path = operation.HasId ? operation.With(world.Missing(operation.Collection)) : operation.Path;
            using var with = await SendAsync(keys[operation.Scope].With, operation, path, "[]");
            Assert.True((int)with.StatusCode is not (401 or 403 or >= 500), $"{operation} with {operation.Scope}: {with.StatusCode}");
        }

        Assert.Equal(before, await world.FingerprintAsync());
        using var more = await keys["keys:write"].With.SendAsync(HttpMethod.Post, "/api/v1/keys", new { name = "more", scopes = new[] { "sessions:read" } });
        await Problems.CheckAsync(more, 403, "a key that gives more than it has");
        using var foreign = await world.Owner.SendAsync(HttpMethod.Post, "/api/v1/keys", new { name = "foreign", tenant = "default" });
        await Problems.CheckAsync(foreign, 403, "a key of another tenant without the scope operator");
    }

    [Fact]
    public async Task IdsOfAnotherTenant_AreLikeIdsThatNothingHas()
    {
        var before = await world.FingerprintAsync();
        foreach (var operation in world.Operations.Where(operation => operation is { HasId: true, IsOperators: false }))
        {
            var answers = new HashSet<string>();
            string[] ids = [world.Ids[operation.Collection], world.Missing(operation.Collection)];
            foreach (var id in ids)
            {
                using var response = await SendAsync(world.Stranger, operation, operation.With(id), System.Text.Json.JsonSerializer.Serialize(world.GoodBody(operation)));
                answers.Add(await Problems.CheckAsync(response, 404, $"{operation} {id}"));
            }

            Assert.Single(answers);
        }

        Assert.Equal(before, await world.FingerprintAsync());
    }

    [Fact]
    public async Task TextThatIsNoId_IsNotFound()
    {
        string[] ids = ["x", "sess_", "..%2f..%2fetc", new string('a', 2000), "sess_%E2%80%AE0000000000000", "'%20or%201=1--", "sess_0000000000000000"];
        foreach (var operation in world.Operations.Where(operation => operation.HasId))
        {
            foreach (var id in ids)
            {
                using var response = await SendAsync(world.KeyOf(operation), operation, operation.With(id), "{}");
                Assert.True((int)response.StatusCode is 404 or 400, $"{operation} {id}: {response.StatusCode}");
                await Problems.CheckAsync(response, (int)response.StatusCode, $"{operation} {id}");
            }
        }
    }

    [Fact]
    public async Task BodiesThatNameThingsOfAnotherTenant_AreRefused()
    {
        var workspace = (await world.Owner.GetAsync($"/api/v1/sessions/{world.Ids["sessions"]}")).Text("workspace_id")!;
        var answers = new HashSet<string>();
        foreach (var id in new[] { world.Ids["sessions"], world.Missing("sessions") })
        {
            using var task = await world.Stranger.SendAsync(HttpMethod.Post, "/api/v1/tasks", new { session_id = id, prompt = "mine now" });
            answers.Add(await Problems.CheckAsync(task, 404, $"a task in {id}"));
        }

        Assert.Single(answers);
        answers.Clear();
        foreach (var id in new[] { workspace, workspace[..^4] + "zzzz" })
        {
            using var session = await world.Stranger.SendAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "claude", workspace_id = id });
            answers.Add(await Problems.CheckAsync(session, 404, $"a session on {id}"));
        }

        Assert.Single(answers);
        foreach (var (mine, missing) in new (object, object)[]
        {
            (new { session_id = world.Ids["sessions"] }, new { session_id = world.Missing("sessions") }),
            (new { snapshot_id = world.Ids["snapshots"] }, new { snapshot_id = world.Missing("snapshots") }),
        })
        {
            answers.Clear();
            foreach (var from in new[] { mine, missing })
            {
                using var session = await world.Stranger.SendAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "claude", from });
                answers.Add(await Problems.CheckAsync(session, 400, $"a session from {from}"));
            }

            Assert.Single(answers);
        }

        Assert.Equal(0, (await world.Stranger.GetAsync("/api/v1/sessions")).Number("total_count"));
        Assert.Equal(0, (await world.Stranger.GetAsync($"/api/v1/tasks?session_id={world.Ids["sessions"]}")).Number("total_count"));
        Assert.Equal(0, (await world.Stranger.GetAsync($"/api/v1/permissions?session_id={world.Ids["sessions"]}")).Number("total_count"));
        Assert.Empty((await world.Stranger.GetAsync("/api/v1/events?after=0")).Items());
    }

    private static async Task<HttpResponseMessage> SendAsync(Api api, Operation operation, string path, string body = "{}")
    {
        using var request = new HttpRequestMessage(operation.Method, path);
        if (operation.HasBody || operation.Method == HttpMethod.Put || operation.Method == HttpMethod.Patch) request.Content = AbuseWorld.Raw(body);
        return await api.Http.SendAsync(request);
    }

    private async Task<Api> KeyAsync(IEnumerable<string> scopes)
    {
        var key = await world.Owner.PostAsync("/api/v1/keys", new { name = "scoped", scopes });
        return new Api(world.Url, key.Text("raw_token")!);
    }

    // The two keys that the test itself made are part of what must not change.
    private async Task<string> WithKeysAsync(string before)
    {
        var now = await world.FingerprintAsync();
        Assert.Equal(before.Split('\n').Where(line => !line.StartsWith("keys", StringComparison.Ordinal)), now.Split('\n').Where(line => !line.StartsWith("keys", StringComparison.Ordinal)));
        return now;
    }
}
