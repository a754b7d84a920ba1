using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Gateways and silos die one at a time; sessions go on.</summary>
[Collection(AloneCollection.Name)]
public sealed class SeparateProcessTests(ITestOutputHelper output)
{
    [Fact]
    public async Task KillOfTheGateway_InMidStream_NothingIsLost()
    {
        await using var stack = await SplitStack.StartAsync(silos: 1);
        await InterruptAsync(stack, async _ =>
        {
            await stack.Gateway.KillAsync();
            await stack.StartGatewayAsync();
        });
    }

    [Fact]
    public async Task KillOfTheOnlySilo_InMidStream_NothingIsLost()
    {
        await using var stack = await SplitStack.StartAsync(silos: 1);
        await InterruptAsync(stack, async _ =>
        {
            await stack.Silos[0].KillAsync();
            await stack.StartSiloAsync();
        });
    }

    [Fact]
    public async Task KillOfTheSessionsSilo_InMidStream_AnotherOneGoesOn()
    {
        await using var stack = await SplitStack.StartAsync(silos: 2);
        await InterruptAsync(stack, session => stack.OwnerOf(session).KillAsync());
    }

    private async Task InterruptAsync(SplitStack stack, Func<string, Task> fault)
    {
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var agent = await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session);
        var claude = await RunnerProcess.ChildOfAsync(agent);

        var watch = Stopwatch.StartNew();
        await fault(session);
        var at = reader.Last;
        await Wait.ForAsync(() => reader.Last > at + 1, "events after the fault", () => Story(stack));
        output.WriteLine($"event {at}, fault, {watch.Elapsed.TotalSeconds:0.0} s, next event");
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal((agent, claude), (await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session), await RunnerProcess.ChildOfAsync(agent)));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    private static string Story(SplitStack stack) => string.Join("\n---\n", stack.Silos.Append(stack.Gateway).Select(process => process.Output));
}
