using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>One stack for tests that do it no harm.</summary>
public sealed class HealthyStack : IAsyncLifetime
{
    internal Stack Stack { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Stack = await Stack.StartAsync();

    public ValueTask DisposeAsync() => Stack.DisposeAsync();
}

/// <summary>What goes wrong in and below the agent: its program, its model, itself.</summary>
public sealed class AgentTroubleTests(HealthyStack healthy, ITestOutputHelper output) : IClassFixture<HealthyStack>
{
    private const int SigStop = 19, SigCont = 18, SigKill = 9;

    private Stack Stack => healthy.Stack;

    private Api Api => healthy.Stack.Api;

    [Fact]
    public async Task ClaudeKilled_InMidTurn_RunFailsWithItsCause()
    {
        var (session, task, ended) = await KillClaudeAsync(retries: 0);
        Assert.Equal("failed", ended.Text("status"));
        Assert.Equal("agent_killed", ended.GetProperty("error").Text("code"));
        var run = Assert.Single(await Api.RunsAsync(task));
        Assert.Equal(("failed", "agent_killed", "SIGKILL"), (run.Text("status"), run.Text("error_code"), run.Text("signal")));
        await Ledger.AssertSoundAsync(Api, session);

        // The session lives on.
        Assert.Equal("completed", (await Api.TaskEndedAsync(await Api.SubmitAsync(session, "@scenario say text=\"still here\""))).Text("status"));
    }

    [Fact]
    public async Task ClaudeKilled_WithARetryLeft_SecondRunSucceeds()
    {
        var (session, task, ended) = await KillClaudeAsync(retries: 1);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Equal(1, ended.GetProperty("retry_count").GetInt32());
        var runs = await Api.RunsAsync(task);
        Assert.Equal(["failed", "completed"], runs.Select(r => r.Text("status")));
        Assert.Equal(("agent_killed", "SIGKILL"), (runs[0].Text("error_code"), runs[0].Text("signal")));
        var events = await Ledger.AssertSoundAsync(Api, session);
        Assert.Equal(Talk.Whole(events, runs[1].Text("id")), Talk.Deltas(events, runs[1].Text("id")));
    }

    [Fact]
    public async Task AgentKilled_WithEventsInItsSpool_IsRestartedInPlaceAndLosesNone()
    {
        var session = await Stack.StartClaudeAsync();
        await using var reader = new EventReader(() => Api, session);
        var task = await Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 10);
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        var folder = RunnerProcess.Folder(Stack.DataDirectory, view);
        var agent = RunnerProcess.PidOf(folder)!.Value;
        var claude = await RunnerProcess.ChildOfAsync(agent);

        // The server stands still, so that what the agent hears now can only be in its spool when it dies.
        ServerProcess.Signal(Stack.Server.Pid, SigStop);
        var (shown, spooled) = (Talk.Deltas(reader.Events, RunOf(reader)), SpoolBytes(folder));
        await Wait.ForAsync(() => SpoolBytes(folder) > spooled + 2000, "the spool to grow", () => $"{spooled} → {SpoolBytes(folder)}");
        ServerProcess.Signal(agent, SigKill);
        await Wait.ForAsync(() => !RunnerProcess.IsAlive(agent) && !RunnerProcess.IsAlive(claude), "agent and child to end");
        ServerProcess.Signal(Stack.Server.Pid, SigCont);
        Stack.Model.Open(session);

        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        var runs = await Api.RunsAsync(task);
        Assert.Equal(["interrupted", "completed"], runs.Select(r => r.Text("status")));
        var events = await Ledger.AssertSoundAsync(Api, session);
        await reader.CaughtUpAsync(events.Count);
        reader.AssertGapless();

        var first = Talk.Deltas(events, runs[0].Text("id"));
        var whole = Talk.Whole(events, runs[1].Text("id"));
        output.WriteLine($"{shown.Length} characters were shown before the server stood still, {first.Length - shown.Length} came from the spool");
        Assert.True(first.Length > shown.Length, "Nothing came out of the spool.");
        Assert.Equal(whole, Talk.Deltas(events, runs[1].Text("id")));
        var after = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal((view.Text("runner_id"), 1L), (after.Text("runner_id"), after.GetProperty("epoch").GetInt64()));
        Assert.NotEqual(agent, RunnerProcess.PidOf(folder));
    }

    [Fact]
    public async Task KeyRefused_FailsAtOnce_AndIsNotRetried()
    {
        var session = await Stack.StartClaudeAsync(new { api_key = "sk-bad-key" });
        var task = await Api.SubmitAsync(session, "@scenario say text=no", new { max_retries = 3 });
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal(("failed", "authentication_failed"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.Equal(0, ended.GetProperty("retry_count").GetInt32());
        Assert.Single(await Api.RunsAsync(task));
        var events = await Ledger.AssertSoundAsync(Api, session);
        Assert.DoesNotContain(events, e => e.Text("type") == "error" && e.GetProperty("data").GetProperty("retryable").GetBoolean());
    }

    [Theory]
    [InlineData("@scenario status code=429 times=2 retry_after=1", 2)]
    [InlineData("@scenario status code=529 times=2", 2)]
    [InlineData("@scenario drop after=20 text=\"whole at last\"", 0)]
    [InlineData("@scenario silence seconds=8 text=\"after a while\"", 0)]
    public async Task ModelInTrouble_ThenWell_TaskCompletes(string prompt, int retriesShown)
    {
        var session = await Stack.StartClaudeAsync();
        var task = await Api.SubmitAsync(session, prompt);
        var ended = await Api.TaskEndedAsync(task);
        Assert.True(ended.Text("status") == "completed", ended.ToString());
        Assert.Single(await Api.RunsAsync(task));
        var events = await Ledger.AssertSoundAsync(Api, session);
        var retries = events.Where(e => e.Text("type") == "error").Select(e => e.GetProperty("data")).Where(d => d.GetProperty("retryable").GetBoolean()).ToList();
        output.WriteLine($"{prompt}: {retries.Count} retries shown, {ended.MaybeText("result")}");
        Assert.True(retries.Count >= retriesShown, $"{retries.Count} retries were shown, not {retriesShown}.");
    }

    private async Task<(string Session, string Task, JsonElement Ended)> KillClaudeAsync(int retries)
    {
        var session = await Stack.StartClaudeAsync();
        await using var reader = new EventReader(() => Api, session);
        var task = await Api.SubmitAsync(session, Talk.Slow(gate: session), new { max_retries = retries });
        await reader.SeenAsync("text.delta", 5);
        var agent = await RunnerProcess.AgentAsync(Stack.DataDirectory, Api, session);
        ServerProcess.Signal(await RunnerProcess.ChildOfAsync(agent), SigKill);
        Stack.Model.Open(session);
        var ended = await Api.TaskEndedAsync(task);
        Assert.Equal(agent, await RunnerProcess.AgentAsync(Stack.DataDirectory, Api, session));
        return (session, task, ended);
    }

    private static string RunOf(EventReader reader) => reader.Events.Last(e => e.Text("type") == "text.delta").Text("run_id");

    private static long SpoolBytes(string folder) =>
        Directory.EnumerateFiles(Path.Combine(folder, "state", "spool")).Sum(file => new FileInfo(file).Length);
}
