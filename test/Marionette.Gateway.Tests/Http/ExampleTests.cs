using System.Text.Json;
using Marionette.Gateway.OpenApi;
using Marionette.Gateway.Tests.Support;
using Marionette.Permissions;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Http;

/// <summary>The example bodies of the OpenAPI document are bodies that the API takes.</summary>
public sealed class ExampleTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string ExampleSession = "sess_0VblLnwqr5JQkdmN";

    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartAsync(postgres);

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task EveryExample_IsTaken()
    {
        using var made = await GatewayHost.PostAsync(host.Operator, "/api/v1/sessions", """{"agent":"claude"}""");
        var session = (await GatewayHost.JsonAsync(made)).GetProperty("id").GetString()!;
        host.Cluster.OnDecide = command => new PermissionView
        {
            Id = command.PermissionId, OriginalRequestId = "r", SessionId = session, TaskId = "task", RunId = "trun", Tool = "Bash", Action = "{}",
            Status = command.Allow ? PermissionStatus.Approved : PermissionStatus.Denied,
        };
        var sent = new List<string>();
        foreach (var (method, path, operation) in await RoutesAsync())
        {
            if (!operation.TryGetProperty("requestBody", out var body) || !body.GetProperty("content").TryGetProperty("application/json", out var json)
                || !json.TryGetProperty("example", out var example)) continue;
            sent.Add(operation.GetProperty("operationId").GetString()!);
            var id = path.Contains("/permissions/", StringComparison.Ordinal) ? await RequestAsync(session) : session;
            using var content = new StringContent(example.GetRawText().Replace(ExampleSession, session, StringComparison.Ordinal), null, "application/json");
            using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), path.Replace("{id}", id, StringComparison.Ordinal)) { Content = content };
            using var answer = await host.Operator.SendAsync(request);
            Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }

        Assert.Equal(RequestExamples.Operations.Order(), sent.Order());
    }

    private async Task<string> RequestAsync(string session)
    {
        var now = DateTimeOffset.UtcNow;
        var id = EntityId.New(EntityId.Permission, now);
        var state = JsonSerializer.Serialize(new
        {
            id, original_request_id = "r", session_id = session, task_id = "task", run_id = "trun", tool = "Bash", category = "command", command = "npm test",
            action = "{}", status = "pending", risk_level = "low", created_at = now, updated_at = now, expires_at = now.AddHours(1),
        });
        await host.ExecuteAsync(
            "insert into marionette.grain_state (grain_type, grain_key, version, state) values ('permission', $1, 1, $2::jsonb)", GrainKeys.Of("default", id), state);
        return id;
    }

    private async Task<List<(string Method, string Path, JsonElement Operation)>> RoutesAsync() =>
        [.. JsonDocument.Parse(await host.Operator.GetStringAsync("/openapi.json")).RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(operation => (operation.Name, path.Name, operation.Value)))];
}
