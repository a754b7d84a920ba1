using System.Net;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>A request has one answer, whoever gives it and whenever: one final state, told to the agent once.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class PermissionTests(SharedStack shared)
{
    private const string Touch = "@scenario shell cmd='echo ran >> ran.txt'";
    private const int Continue = 18;

    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Answer_GivenTwice_TheSecondIsToldWhoWasFirst()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { });
        var winner = (await Api.GetAsync($"/api/v1/permissions/{request}")).Text("responded_by");
        await RefusedAsync(request, "deny", winner!);
        await Api.TaskEndedAsync(task);
        await RefusedAsync(request, "deny", winner!);
        await RefusedAsync(request, "approve", winner!);
        await AssertOneOutcomeAsync(session, request, "approved");
        Assert.Equal("ran\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "ran.txt")));
    }

    [Fact]
    public async Task Answer_RepeatedUnderItsIdempotencyKey_IsTheSameAnswer()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        var key = "answer-" + request;
        await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { reason = "ok" }, key);
        await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { reason = "ok" }, key);
        await Api.TaskEndedAsync(task);
        await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { reason = "ok" }, key);
        using var other = await Api.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request}/approve", new { reason = "another" }, key);
        Assert.Equal(HttpStatusCode.Conflict, other.StatusCode);
        await AssertOneOutcomeAsync(session, request, "approved");
    }

    [Fact]
    public async Task Answers_TwentyAtOnce_OneWinsAndTheOthersNameIt()
    {
        var people = new List<(string Name, Api Api)>();
        for (var i = 0; i < 4; i++)
        {
            var key = await Api.PostAsync("/api/v1/keys", new { name = $"person-{i}" });
            people.Add(($"person-{i}", new Api(Stack.ApiUrl, key.Text("raw_token")!)));
        }

        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async i =>
        {
            var (name, api) = people[i % people.Count];
            var allow = i % 2 == 0;
            using var response = await api.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request}/{(allow ? "approve" : "deny")}", new { reason = $"answer {i}" });
            return (Index: i, Name: name, Allow: allow, response.StatusCode, Body: await response.Content.ReadAsStringAsync());
        }));

        var winner = Assert.Single(answers, answer => answer.StatusCode == HttpStatusCode.NoContent);
        Assert.All(answers.Where(answer => answer != winner), answer =>
        {
            Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
            var problem = JsonDocument.Parse(answer.Body).RootElement;
            Assert.Equal("already_decided", problem.Text("code"));
            Assert.Contains(winner.Name, problem.Text("detail"));
        });
        await Api.TaskEndedAsync(task);
        await AssertOneOutcomeAsync(session, request, winner.Allow ? "approved" : "denied");
        var row = await Api.GetAsync($"/api/v1/permissions/{request}");
        Assert.Equal($"answer {winner.Index}", row.Text("response_reason"));
        Assert.StartsWith(winner.Name, row.Text("responded_by"));
        Assert.Equal(winner.Allow, File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "ran.txt")));
    }

    [Fact]
    public async Task Answer_AfterTheTaskEnded_IsRefused()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        await Api.PostAsync($"/api/v1/tasks/{task}/cancel", new { });
        await Api.TaskEndedAsync(task);
        await RefusedAsync(request, "approve", "canceled");
        var events = await Api.EventsAsync(session);
        Assert.Single(events.Of("permission.canceled"));
        Assert.Empty(events.Of("permission.approved"));
        Assert.Empty(events.Of("permission.delivered"));
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "ran.txt")));
    }

    [Fact]
    public async Task Answer_WhileTheRunnerIsAway_IsDeliveredOnceWhenItIsBack()
    {
        var session = await Stack.ClaudeAsync();
        var task = await Api.SubmitAsync(session, Touch);
        var request = (await Api.PermissionAsync(session)).Id();
        var agent = await Stack.AgentPidAsync(session);
        await RunnerProcess.HaltAsync(agent);
        try
        {
            await Api.PostAsync($"/api/v1/permissions/{request}/approve", new { });
            await RefusedAsync(request, "deny", "operator");
            Assert.Empty((await Api.EventsAsync(session)).Of("permission.delivered"));
            Assert.Equal("approved", (await Api.GetAsync($"/api/v1/permissions/{request}")).Text("status"));
        }
        finally
        {
            ServerProcess.Signal(agent, Continue);
        }

        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        await AssertOneOutcomeAsync(session, request, "approved");
        Assert.Equal("ran\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "ran.txt")));
    }

    [Fact]
    public async Task Request_ThatNobodyAnswers_ExpiresAndCountsAsNo()
    {
        var session = await Stack.ClaudeAsync(new { permission_timeout_seconds = 1 });
        var ended = await Api.RunAsync(session, Touch);
        Assert.Equal("completed", ended.Text("status"));
        var events = await Api.EventsAsync(session);
        var request = Assert.Single(events.Of("permission.requested")).Data().Text("permission_id")!;
        Assert.Single(events.Of("permission.expired"));
        Assert.Single(events.Of("permission.delivered"));
        Assert.True(Assert.Single(events.Of("tool_result")).Data().GetProperty("is_error").GetBoolean());
        Assert.Equal("expired", (await Api.GetAsync($"/api/v1/permissions/{request}")).Text("status"));
        await RefusedAsync(request, "approve", "expired");
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "ran.txt")));
    }

    private async Task RefusedAsync(string request, string verb, string because)
    {
        using var response = await Api.SendAsync(HttpMethod.Post, $"/api/v1/permissions/{request}/{verb}", new { });
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.Conflict, text);
        var problem = JsonDocument.Parse(text).RootElement;
        Assert.Equal("already_decided", problem.Text("code"));
        Assert.Contains(because, problem.Text("detail"));
    }

    private async Task AssertOneOutcomeAsync(string session, string request, string outcome)
    {
        Assert.Equal(outcome, (await Api.GetAsync($"/api/v1/permissions/{request}")).Text("status"));
        var events = (await Api.EventsAsync(session)).Where(e => e.Data().Text("permission_id") == request).Select(e => e.Text("type")!).ToList();
        Assert.Equal(["permission.requested", "permission." + outcome, "permission.delivered"], events);
    }
}
