using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestEngine;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>PostgreSQL crashes under a stream: runners are held back, callers are told, nothing that was said is lost.</summary>
public sealed class DatabaseOutageTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Outage = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task PostgresAwayForTenSeconds_InMidStream_NothingIsLost()
    {
        await using var postgres = await SharedPostgres.StartAsync();
        await using var stack = await Stack.StartAsync(arguments: ["--connection-string", postgres.ConnectionString]);
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);

        await postgres.StopImmediatelyAsync();
        var watch = Stopwatch.StartNew();
        await AssertUnavailableAsync(stack.Api, HttpMethod.Get, "/api/v1/tasks");
        await AssertUnavailableAsync(stack.Api, HttpMethod.Post, "/api/v1/sessions", new { agent = "claude" });
        await AssertUnavailableAsync(stack.Api, HttpMethod.Post, "/api/v1/tasks", new { session_id = session, prompt = "@scenario say text=no" });
        using (var ready = await stack.Api.Http.GetAsync("/health/ready")) Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using (var live = await stack.Api.Http.GetAsync("/health/live")) Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        await Task.Delay(Outage - watch.Elapsed is { Ticks: > 0 } rest ? rest : TimeSpan.Zero); // The outage lasts: it is what is tested.

        var at = reader.Last;
        await postgres.StartServerAsync();
        watch.Restart();
        await Wait.ForAsync(() => reader.Last > at + 1, "events after the outage", () => stack.Server.Output);
        stack.Model.Open(session);
        output.WriteLine($"the first new events came {watch.Elapsed.TotalSeconds:0.0} s after PostgreSQL was back");

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    [Fact]
    public async Task EmbeddedPostgresCrashes_InMidStream_IsRestartedAndNothingIsLost()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);

        var file = Path.Combine(stack.DataDirectory, "postgres", "cluster", "data", "postmaster.pid");
        var postmaster = int.Parse(File.ReadLines(file).First());
        const int immediate = 3; // SIGQUIT: what `pg_ctl stop -m immediate` sends
        ServerProcess.Signal(postmaster, immediate);
        await Wait.ForAsync(() => !RunnerProcess.IsAlive(postmaster), "the postmaster's end");
        var at = reader.Last;
        await Wait.ForAsync(() => reader.Last > at + 1, "events after the crash", () => stack.Server.Output);
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    private async Task AssertUnavailableAsync(Api api, HttpMethod method, string path, object? body = null)
    {
        var watch = Stopwatch.StartNew();
        using var response = await api.SendAsync(method, path, body);
        var text = await response.Content.ReadAsStringAsync();
        output.WriteLine($"{method} {path}: {(int)response.StatusCode} after {watch.ElapsedMilliseconds} ms {text}");
        Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, $"{method} {path}: {(int)response.StatusCode} {text}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.True(response.Headers.RetryAfter?.Delta > TimeSpan.Zero, "Retry-After is missing.");
        Assert.Equal(503, JsonDocument.Parse(text).RootElement.GetProperty("status").GetInt32());
    }
}
