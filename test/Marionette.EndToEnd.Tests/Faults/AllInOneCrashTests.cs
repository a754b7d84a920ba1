using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The whole server dies and comes back; the runner is not to notice more than a broken connection.</summary>
public sealed class AllInOneCrashTests(ITestOutputHelper output)
{
    [Fact]
    public async Task KillOfTheServer_InMidStream_TaskCompletesAsItsFirstAttempt()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var agent = await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session);
        var claude = await RunnerProcess.ChildOfAsync(agent);

        await stack.Server.KillAsync();
        var (at, watch) = (reader.Last, Stopwatch.StartNew());
        await stack.StartServerAsync();
        var ready = watch.Elapsed;
        await Wait.ForAsync(() => reader.Last > at + 1, "events after the restart", () => stack.Server.Output);
        output.WriteLine($"killed at event {at}; ready again after {ready.TotalSeconds:0.0} s, first new events after {watch.Elapsed.TotalSeconds:0.0} s");
        stack.Model.Open(session);

        var ended = await stack.Api.TaskEndedAsync(task);
        Assert.Equal("completed", ended.Text("status"));
        Assert.Equal(agent, await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session));
        Assert.Equal(claude, await RunnerProcess.ChildOfAsync(agent));
        Assert.True(reader.Connections >= 2, "The reader never lost its connection: the kill did not hit the stream.");
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    [Fact]
    public async Task KillOfTheServer_AgainAndAgain_NothingIsLostOrDoubled()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        for (var kill = 0; kill < 3; kill++)
        {
            // At another moment each time: right after an event came, whatever the server was doing with the next.
            await reader.SeenAsync("text.delta", (kill + 1) * 15);
            var at = reader.Last;
            await stack.Server.KillAsync();
            await stack.StartServerAsync();
            await Wait.ForAsync(() => reader.Last > at + 1, "events after the restart", () => stack.Server.Output);
        }

        stack.Model.Open(session);
        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }
}
