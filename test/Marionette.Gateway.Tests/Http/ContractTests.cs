using System.Net;
using System.Text.Json;
using Marionette.Gateway.Tests.Support;

namespace Marionette.Gateway.Tests.Http;

/// <summary>The OpenAPI document, and what holds for every route in it.</summary>
public sealed class ContractTests : IAsyncLifetime
{
    private GatewayHost host = null!;

    public async ValueTask InitializeAsync() => host = await GatewayHost.StartWithoutDatabaseAsync();

    public ValueTask DisposeAsync() => host.DisposeAsync();

    [Fact]
    public async Task OpenApi_CheckedInDocument_IsWhatTheCodeSays()
    {
        var served = await host.Operator.GetStringAsync("/openapi.json");
        var file = Repository.File("gateway/openapi/marionette.v1.json");
        var draft = Path.Combine(AppContext.BaseDirectory, "marionette.v1.json");
        await File.WriteAllTextAsync(draft, served.ReplaceLineEndings("\n") + "\n");
        Assert.True(
            File.Exists(file) && (await File.ReadAllTextAsync(file)).TrimEnd() == served.ReplaceLineEndings("\n").TrimEnd(),
            $"The routes have changed. If that is meant, review the difference and copy {draft} to gateway/openapi/marionette.v1.json.");
    }

    [Fact]
    public async Task OpenApi_EveryDocumentedRoute_IsThere()
    {
        var paths = (await DocumentAsync()).GetProperty("paths");
        var documented = File.ReadAllLines(Repository.File("docs/reference/rest-api.md")).Where(line => line.StartsWith("| GET", StringComparison.Ordinal)
            || line.StartsWith("| POST", StringComparison.Ordinal) || line.StartsWith("| DELETE", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(documented);
        foreach (var path in documented.SelectMany(PathsOf).Where(path => !path.StartsWith("/openapi", StringComparison.Ordinal)))
            Assert.True(paths.TryGetProperty(path, out _), $"{path} is in the contract and not in the code.");
    }

    [Theory]
    [InlineData("CreateSession")]
    [InlineData("Session")]
    [InlineData("Checkpoint")]
    [InlineData("Snapshot")]
    [InlineData("SnapshotFile")]
    [InlineData("CreateTask")]
    [InlineData("Task")]
    [InlineData("TaskRun")]
    [InlineData("usage", "Usage")]
    [InlineData("Log")]
    [InlineData("PermissionRequest")]
    [InlineData("Runner")]
    [InlineData("Pool")]
    [InlineData("Host")]
    [InlineData("JoinToken")]
    [InlineData("Profile")]
    [InlineData("Key")]
    [InlineData("CreateScheduledTask")]
    [InlineData("ScheduledTask")]
    [InlineData("Occurrence")]
    [InlineData("CreateAgentConfig")]
    [InlineData("AgentConfig")]
    public async Task OpenApi_EveryMember_IsInTheContract(string body, string? schema = null)
    {
        var line = File.ReadAllText(Repository.File("docs/reference/rest-api.md")).Split("* **").Single(part => part.StartsWith($"{body}**", StringComparison.Ordinal));
        var words = line.Split([' ', '`', ',', '?', '{', '}', '[', ']', '(', ')', '.', ';', '\n'], StringSplitOptions.RemoveEmptyEntries).ToHashSet();
        var properties = (await DocumentAsync()).GetProperty("components").GetProperty("schemas").GetProperty(schema ?? body).GetProperty("properties");
        Assert.All(properties.EnumerateObject(), property => Assert.Contains(property.Name, words));
    }

    [Fact]
    public async Task EveryRouteOfTheApi_WithoutKey_Is401()
    {
        foreach (var (method, path, operation) in await RoutesAsync())
        {
            Assert.True(operation.TryGetProperty("x-scope", out _), $"{method} {path} needs no scope.");
            using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), path.Replace("{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal));
            using var answer = await host.Operator.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
            Assert.StartsWith("Bearer", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task EveryRouteOfTheApi_DatabaseAway_Is503WithRetryAfter()
    {
        using var client = host.Client(Marionette.Gateway.Auth.ApiToken.New());
        foreach (var (method, path, _) in (await RoutesAsync()).Take(5))
        {
            using var request = new HttpRequestMessage(new HttpMethod(method.ToUpperInvariant()), path);
            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.NotNull(answer.Headers.RetryAfter);
            Assert.Equal("unavailable", (await GatewayHost.JsonAsync(answer)).GetProperty("code").GetString());
        }
    }

    [Fact]
    public async Task Health_DatabaseAway_IsAliveAndNotReady()
    {
        foreach (var path in new[] { "/health", "/healthz", "/health/live" })
            Assert.Equal(HttpStatusCode.OK, (await host.Operator.GetAsync(path, TestContext.Current.CancellationToken)).StatusCode);
        using var ready = await host.Operator.GetAsync("/health/ready", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal("unreachable", (await GatewayHost.JsonAsync(ready)).GetProperty("checks").GetProperty("database").GetString());
    }

    [Theory]
    [InlineData("/openapi.yaml", "openapi:")]
    [InlineData("/docs", "<title>Marionette API</title>")]
    [InlineData("/problems/already-decided", "already_decided")]
    [InlineData("/problems", "queue_full")]
    public async Task Page_IsServedWithoutKeyAndFetchesNothingFromElsewhere(string path, string content)
    {
        var page = await host.Operator.GetStringAsync(path);
        Assert.Contains(content, page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(https?:)?//", page);
    }

    [Theory]
    [InlineData("GET", "/api/v1/nothing", HttpStatusCode.NotFound, "not_found")]
    [InlineData("PUT", "/api/v1/sessions", HttpStatusCode.MethodNotAllowed, "invalid")]
    public async Task WhatTheServerItselfRefuses_IsAProblemToo(string method, string path, HttpStatusCode status, string code)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var answer = await host.Operator.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal(code, (await GatewayHost.JsonAsync(answer)).GetProperty("code").GetString());
    }

    private async Task<JsonElement> DocumentAsync() => JsonDocument.Parse(await host.Operator.GetStringAsync("/openapi.json")).RootElement;

    private async Task<List<(string Method, string Path, JsonElement Operation)>> RoutesAsync() =>
        [.. (await DocumentAsync()).GetProperty("paths").EnumerateObject().Where(path => path.Name.StartsWith("/api/", StringComparison.Ordinal))
            .SelectMany(path => path.Value.EnumerateObject().Select(operation => (operation.Name, path.Name, operation.Value)))];

    // "POST `/api/v1/tasks/{id}/cancel`, `/retry`": what follows in backquotes is a sibling of the first, or a child when the first ends in an object.
    private static IEnumerable<string> PathsOf(string line)
    {
        var parts = line.Split('|')[1].Split('`').Where((_, i) => i % 2 == 1).Where(part => part.StartsWith('/')).ToList();
        yield return parts[0];
        foreach (var part in parts.Skip(1))
            yield return !parts[0].StartsWith("/api", StringComparison.Ordinal) ? part
                : part.StartsWith("/{", StringComparison.Ordinal) ? parts[0] + part
                : string.Concat(parts[0].AsSpan(0, parts[0].LastIndexOf('/')), part);
    }
}
