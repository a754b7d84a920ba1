using System.Diagnostics;
using System.Net;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestEngine;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The runner's connection goes dead and no socket says so: only missing heartbeats tell.</summary>
public sealed class DeadLineTests(ITestOutputHelper output)
{
    private const int SigStop = 19, SigCont = 18;

    [Fact]
    public async Task LineGoesDead_InMidStream_AgentNoticesAndNothingIsLost()
    {
        var port = Ports.Free();
        await using var line = new TcpProxy(IPAddress.Loopback, () => port);
        await using var stack = await Stack.StartAsync(arguments: ["--grpc-port", $"{port}", "--runner-url", $"http://127.0.0.1:{line.Port}"]);
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var folder = RunnerProcess.Folder(stack.DataDirectory, await stack.Api.GetAsync($"/api/v1/sessions/{session}"));
        var agent = RunnerProcess.PidOf(folder);

        var watch = Stopwatch.StartNew();
        var thaw = line.Freeze();
        await reader.SeenAsync("runner.connected", 2);
        output.WriteLine($"the agent came back on a new connection {watch.Elapsed.TotalSeconds:0.0} s after the line went dead");
        Assert.Contains("Nothing from the server for", await File.ReadAllTextAsync(Path.Combine(folder, "agent.log")));
        thaw(); // What the old connection still held arrives now, long after the same events came over the new one.
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal(2, line.Accepted);
        Assert.Equal(agent, RunnerProcess.PidOf(folder));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    [Fact]
    public async Task PacketsAreDropped_InMidStream_AgentNoticesAndNothingIsLost()
    {
        Assert.SkipWhen(MachineTrial.OfNetworks is not null, MachineTrial.OfNetworks ?? "");
        using var net = NetworkNamespace.Create(Artifacts.Agent);
        await using var stack = await Stack.StartAsync(arguments: ["--bind", net.Server.ToString(), "--agent-binary", net.Program]);
        await using var model = new TcpProxy(net.Model, () => stack.Model.Url.Port);
        var session = await stack.Api.StartClaudeAsync($"http://{net.Model}:{model.Port}");
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var folder = RunnerProcess.Folder(stack.DataDirectory, await stack.Api.GetAsync($"/api/v1/sessions/{session}"));

        net.DropPackets();
        var watch = Stopwatch.StartNew();
        await Wait.ForAsync(() => File.ReadAllText(Path.Combine(folder, "agent.log")).Contains("Nothing from the server for"), "the agent to notice");
        output.WriteLine($"the agent noticed {watch.Elapsed.TotalSeconds:0.0} s after the first packet was dropped");
        net.Heal();
        watch.Restart();
        await reader.SeenAsync("runner.connected", 2);
        output.WriteLine($"and was back {watch.Elapsed.TotalSeconds:0.0} s after packets passed again");
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }

    [Fact]
    public async Task RunnerFallsSilent_IsMarkedOffline_AndGoesOnWhenItIsBack()
    {
        await using var stack = await Stack.StartAsync();
        var session = await stack.StartClaudeAsync();
        await using var reader = new EventReader(() => stack.Api, session);
        var task = await stack.Api.SubmitAsync(session, Talk.Slow(gate: session));
        await reader.SeenAsync("text.delta", 20);
        var runner = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("runner_id");
        var agent = await RunnerProcess.AgentAsync(stack.DataDirectory, stack.Api, session);

        ServerProcess.Signal(agent, SigStop);
        var watch = Stopwatch.StartNew();
        await reader.SeenAsync("runner.disconnected");
        output.WriteLine($"the runner was taken for away after {watch.Elapsed.TotalSeconds:0.0} s of silence");
        await Wait.ForAsync(async () => (await stack.Api.GetAsync($"/api/v1/runners/{runner}")).Text("status") == "offline", "the runner to be offline");
        ServerProcess.Signal(agent, SigCont);
        stack.Model.Open(session);

        Assert.Equal("completed", (await stack.Api.TaskEndedAsync(task)).Text("status"));
        Assert.Equal(runner, (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("runner_id"));
        await stack.Api.AssertOneWholeRunAsync(reader, session, task);
    }
}
