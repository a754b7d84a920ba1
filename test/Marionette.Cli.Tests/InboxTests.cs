using System.Text.Json;
using Marionette.Cli.Api;
using Marionette.Cli.Commands;
using Marionette.Cli.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace Marionette.Cli.Tests;

/// <summary>The live inbox: what is open, then what comes, each once, over broken connections.</summary>
public sealed class InboxTests : IAsyncLifetime
{
    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task Feed_ShowsEachRequestOnce_AndGoesOnFromItsCursor()
    {
        server.On("GET /api/v1/permissions", """{"items":[{"id":"perm_1","tool":"Bash","session_id":"sess_1","risk_level":"high","command":"x"}],"has_more":false,"total_count":1}""");
        server.OnEach(
            "GET /api/v1/events",
            context => StreamAsync(context, Event("1.1", "permission.requested", "perm_1"), Event("1.2", "permission.requested", "perm_2")),
            context => StreamAsync(context, Event("1.3", "permission.approved", "perm_2")));
        using var api = new ApiClient(new Api.Endpoint(new Uri(server.Url), "mk_test", "the test"), new HurriedClock());
        var seen = new List<string>();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await foreach (var entry in new InboxFeed(api, new HurriedClock(), new FeedNotices()).ReadAsync(patience.Token))
        {
            seen.Add($"{entry.Type} {entry.Id}");
            if (seen.Count == 3)
                break;
        }

        Assert.Equal(["permission.requested perm_1", "permission.requested perm_2", "permission.approved perm_2"], seen);
        Assert.Contains(server.Requests, request => request.Target == "/api/v1/events?types=permission.*&after=1.2");
    }

    [Theory]
    [InlineData("permission.requested", """{"permission_id":"perm_1","risk_level":"high","tool":"Bash","command":"npm test"}""", "? perm_1  high  Bash  npm test  (sess_1)")]
    [InlineData("permission.denied", """{"permission_id":"perm_1","by":"rule pol_1","reason":"no"}""", "✗ perm_1  denied by rule pol_1: no")]
    [InlineData("permission.approval", """{"permission_id":"perm_1","by":"ann","have":1,"need":2}""", "  perm_1  approved by ann, 1 of 2")]
    [InlineData("permission.escalated", """{"permission_id":"perm_1","notify":["ann","bob"]}""", "! perm_1  waits for ann, bob")]
    [InlineData("permission.expired", """{"permission_id":"perm_1","reason":"Nobody answered in time."}""", "  perm_1  expired: Nobody answered in time.")]
    public void Line_SaysWhatHappened(string type, string data, string line) => Assert.Equal(
        line, PermissionsWatch.LineOf(new InboxEntry(type, JsonDocument.Parse($$"""{"type":"{{type}}","session_id":"sess_1","data":{{data}} }""").RootElement)));

    private static string Event(string cursor, string type, string id) =>
        $$"""{"cursor":"{{cursor}}","seq":1,"type":"{{type}}","session_id":"sess_1","data":{"permission_id":"{{id}}"} }""";

    private static async Task StreamAsync(HttpContext context, params string[] events)
    {
        context.Response.ContentType = "text/event-stream";
        foreach (var entry in events)
            await context.Response.WriteAsync($"data: {entry}\n\n");
    }
}
