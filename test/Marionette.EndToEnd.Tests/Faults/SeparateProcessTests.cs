using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Gateways and silos die one at a time; sessions go on.</summary>
[Collection(AloneCollection.Name)]
public sealed class SeparateProcessTests(ITestOutputHelper output)
{
    /// <summary>The promise is 10 s; the rest is for a machine that builds something at the same time.</summary>
    private static readonly TimeSpan Failover = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task KillOfTheGateway_InMidStream_NothingIsLost()
    {
        await using var stack = await SplitStack.StartAsync(silos: 1);
        await InterruptAsync(stack, null, async _ =>
        {
            await stack.Gateway.KillAsync();
            await stack.StartGatewayAsync();
        });
    }

    [Fact]
    public async Task KillOfTheOnlySilo_InMidStream_NothingIsLost()
    {
        await using var stack = await SplitStack.StartAsync(silos: 1);
        await InterruptAsync(stack, null, async _ =>
        {
            await stack.Silos[0].KillAsync();
            await stack.StartSiloAsync();
        });
    }

    [Fact]
    public async Task KillOfTheSessionsSilo_InMidStream_AnotherOneGoesOnWithinTenSeconds()
    {
        await using var stack = await SplitStack.StartAsync(silos: 2);
        await InterruptAsync(stack, Failover, session => stack.OwnerOf(session).KillAsync());
    }

    private async Task InterruptAsync(SplitStack stack, TimeSpan? within, Func<string, Task> fault)
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
        var gap = watch.Elapsed;
        output.WriteLine($"event {at}, fault, {gap.TotalSeconds:0.0} s, next event");
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal((agent, claude), (await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session), await RunnerProcess.ChildOfAsync(agent)));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
        if (within is { } limit) Assert.True(gap <= limit, $"Events flowed again after {gap.TotalSeconds:0.0} s.");
    }

    private static string Story(SplitStack stack) => string.Join("\n---\n", stack.Silos.Append(stack.Gateway).Select(process => process.Output));
}
