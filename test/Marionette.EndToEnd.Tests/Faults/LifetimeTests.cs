using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>A session's end by the clock, and runners that are killed under each failover policy.</summary>
public sealed class LifetimeTests(HealthyStack healthy) : CheckpointTest, IClassFixture<HealthyStack>
{
    private const int SigKill = 9;

    /// <summary>Stays in its first run for as long as it lives; a later one ends.</summary>
    private const string OnceAgain = "if [ -e begun ]; then printf again; else touch begun; sleep 1000; fi";

    private protected override Stack Stack => healthy.Stack;

    [Fact]
    public async Task TimeToLive_StoresTheFilesAndEndsTheSession_WhateverItDoes()
    {
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, ttl_seconds = 7200 });
        var task = await Api.SubmitAsync(session, "printf kept > a.txt; sleep 1000");
        await BegunAsync(session, "a.txt");
        var end = DateTimeOffset.UtcNow.AddSeconds(2);
        var extended = await Api.PostAsync($"/api/v1/sessions/{session}/extend", new { expires_at = end });
        Assert.Equal(end.UtcDateTime, extended.GetProperty("expires_at").GetDateTime().ToUniversalTime(), TimeSpan.FromMilliseconds(1));

        var ended = await Api.SessionInAsync(session, "terminated");
        Assert.Equal(("Its time to live is over.", "stop"), (ended.Text("reason"), ended.GetProperty("recovery_point").Text("reason")));
        Assert.Equal("canceled", (await Api.TaskEndedAsync(task)).Text("status"));
        var fork = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, from = new { session_id = session } });
        Assert.Equal("kept", await RunAsync(fork, "cat a.txt"));
    }

    [Fact]
    public async Task TimeToLive_OfASessionThatSleeps_WarnsAndEnds_AlsoAfterARestartOfTheServer()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" } });
        await stack.Api.TaskEndedAsync(await stack.Api.SubmitAsync(session, "printf kept > a.txt"));
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await stack.Api.SessionInAsync(session, "suspended");
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/extend", new { expires_at = DateTimeOffset.UtcNow.AddSeconds(601) });
        await Wait.ForAsync(async () => (await stack.Api.EventsAsync(session)).Any(e => e.Text("type") == "session.expiring"), "the warning");
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/extend", new { expires_at = DateTimeOffset.UtcNow.AddSeconds(1) });
        await stack.Server.KillAsync();
        await stack.StartServerAsync();
        // A list reads rows and wakes nobody: the reminder alone does, and Orleans' shortest one is a minute.
        await Wait.ForAsync(
            async () => (await stack.Api.GetAsync("/api/v1/sessions")).GetProperty("items")[0].Text("status") == "terminated", "the end of its life",
            patience: TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Ask_KilledRunner_WaitsForAPerson_AndGoesOnWhereItWas()
    {
        var (session, task) = await KilledAsync("ask");
        var asked = await Api.PermissionAsync(session);
        Assert.Equal(("failover", "pending"), (asked.Text("category"), asked.Text("status")));
        Assert.Equal("waiting_for_failover", (await Api.GetAsync($"/api/v1/tasks/{task}")).Text("status"));
        Assert.Equal("waiting_for_failover", (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("phase"));
        // "All of this session" means what its agent asks.
        var bulk = await Api.PostAsync("/api/v1/permissions/decide", new { decision = "deny", filter = new { session_id = session } });
        Assert.Equal(0, bulk.GetProperty("items").GetArrayLength());
        await Api.PostAsync($"/api/v1/permissions/{asked.Id()}/approve", new { });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal(("completed", "again"), (ended.Text("status"), ended.Text("result")));
    }

    [Fact]
    public async Task Never_KilledRunner_FailsTheTask_AndTheNextOneRuns()
    {
        var (session, task) = await KilledAsync("never");
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal(("failed", "runner_lost"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.Equal("again", await RunAsync(session, OnceAgain));
    }

    private async Task<(string Session, string Task)> KilledAsync(string policy)
    {
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, failover_policy = policy });
        var task = await Api.SubmitAsync(session, OnceAgain);
        await BegunAsync(session, "begun");
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        ServerProcess.Signal(RunnerProcess.PidOf(RunnerProcess.Folder(Stack.DataDirectory, view))!.Value, SigKill);
        return (session, task);
    }

    private async Task BegunAsync(string session, string file)
    {
        var path = Path.Combine(await FolderAsync(session), "workspace", file);
        await Wait.ForAsync(() => File.Exists(path), $"{file} of {session}");
    }
}
