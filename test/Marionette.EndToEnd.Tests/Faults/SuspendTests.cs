using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Runners come and go under a session; conversation, files and order stay.</summary>
public sealed class SuspendTests(HealthyStack healthy, ITestOutputHelper output) : IClassFixture<HealthyStack>
{
    private const int SigStop = 19, SigCont = 18, SigKill = 9, RestartLimit = 3;

    private Stack Stack => healthy.Stack;

    private Api Api => healthy.Stack.Api;

    [Fact]
    public async Task SuspendInMidTurn_ThenResume_TaskContinuesAsItsNextAttempt()
    {
        var session = await Stack.StartClaudeAsync(new { permission_mode = "bypassPermissions" });
        await using var reader = new EventReader(() => Api, session);
        await Api.TaskEndedAsync(await Api.SubmitAsync(session, "@scenario write file=keep.txt text=\"kept through it all\""));
        var before = await Api.GetAsync($"/api/v1/sessions/{session}");
        var file = Path.Combine(Stack.DataDirectory, "workspaces", before.Text("workspace_id"), "workspace", "keep.txt");
        Assert.Equal("kept through it all", (await File.ReadAllTextAsync(file)).TrimEnd('\n'));

        var task = await Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var folder = RunnerProcess.Folder(Stack.DataDirectory, before);
        var agent = RunnerProcess.PidOf(folder)!.Value;
        var claude = await RunnerProcess.ChildOfAsync(agent);
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        var suspended = await Api.SessionInAsync(session, "suspended");

        Assert.Null(suspended.MaybeText("runner_id"));
        Assert.Equal(before.Text("conversation_id"), suspended.Text("conversation_id"));
        await Wait.ForAsync(
            () => !RunnerProcess.IsAlive(agent) && !RunnerProcess.IsAlive(claude) && !Directory.Exists(folder), "a suspended session to cost no process and no runner's folder");
        Assert.Equal("queued", (await Api.GetAsync($"/api/v1/tasks/{task}")).Text("status"));
        Assert.True(File.Exists(file), "The workspace's file is gone.");

        Stack.Model.Open(session);
        await Api.PostAsync($"/api/v1/sessions/{session}/resume", new { });
        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        var runs = await Api.RunsAsync(task);
        Assert.Equal(["interrupted", "completed"], runs.Select(r => r.Text("status")));
        Assert.Equal([1, 2], runs.Select(r => r.GetProperty("attempt").GetInt32()));
        var after = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal(
            (before.Text("conversation_id"), before.Text("workspace_id"), 2L),
            (after.Text("conversation_id"), after.Text("workspace_id"), after.GetProperty("epoch").GetInt64()));
        Assert.Equal("kept through it all", (await File.ReadAllTextAsync(file)).TrimEnd('\n'));
        await AssertWholeAsync(reader, session);
    }

    [Fact]
    public async Task RunnerLost_WhileItsAgentStandsStill_OldAgentIsFencedAndSaysNothingMore()
    {
        var session = await Stack.StartClaudeAsync();
        await using var reader = new EventReader(() => Api, session);
        Assert.Equal("completed", (await Api.TaskEndedAsync(await Api.SubmitAsync(session, "@scenario say text=hello"))).Text("status"));
        var folder = RunnerProcess.Folder(Stack.DataDirectory, await Api.GetAsync($"/api/v1/sessions/{session}"));
        // Idle, so that no task counts its interruptions while the provider uses up its restarts.
        for (var restart = 1; restart <= RestartLimit; restart++)
        {
            ServerProcess.Signal(RunnerProcess.PidOf(folder)!.Value, SigKill);
            await reader.SeenAsync("runner.connected", restart + 1);
        }

        var task = await Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 5);
        // The last agent that the provider would start stands still and cannot be found: to the provider it is gone, and its runner lost.
        var zombie = RunnerProcess.PidOf(folder)!.Value;
        ServerProcess.Signal(zombie, SigStop);
        using var log = OpenLog(zombie);
        File.WriteAllText(Path.Combine(folder, "pid"), "4194303 1\n"); // No Linux process has this number unless the limit was raised.
        await reader.SeenAsync("runner.lost");
        await reader.SeenAsync("task.started", 3);
        Assert.True(RunnerProcess.IsAlive(zombie), "The old agent is gone: there is nobody left to fence.");
        ServerProcess.Signal(zombie, SigCont);
        await Wait.ForAsync(() => !RunnerProcess.IsAlive(zombie), "the fenced agent's end");
        var story = await new StreamReader(log).ReadToEndAsync();
        output.WriteLine(story.TrimEnd().Split('\n')[^1]);
        Assert.Contains("exit code 75", story);
        Stack.Model.Open(session);

        Assert.Equal("completed", (await Api.TaskEndedAsync(task)).Text("status"));
        var after = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal(2, after.GetProperty("epoch").GetInt64());
        var events = await AssertWholeAsync(reader, session);
        var runs = await Api.RunsAsync(task);
        var lost = events.FindIndex(e => e.Text("type") == "runner.lost");
        Assert.DoesNotContain(events.Skip(lost), e => e.MaybeText("run_id") is { } run && run != runs[^1].Text("id"));
        Assert.Equal(Talk.Whole(events, runs[^1].Text("id")), Talk.Deltas(events, runs[^1].Text("id")));
    }

    private async Task<List<System.Text.Json.JsonElement>> AssertWholeAsync(EventReader reader, string session)
    {
        var events = await Ledger.AssertSoundAsync(Api, session);
        await reader.CaughtUpAsync(events.Count);
        reader.AssertGapless();
        return events;
    }

    /// <summary>The agent's log by its own handle: the file's name goes with the runner's folder.</summary>
    private static FileStream OpenLog(int agent) => new($"/proc/{agent}/fd/2", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
}
