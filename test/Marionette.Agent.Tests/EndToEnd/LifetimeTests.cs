using System.Diagnostics;
using System.Text.Json;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>Deaths and returns: of Claude, of the agent, of the connection.</summary>
public sealed class LifetimeTests
{
    [Fact]
    public async Task KilledClaude_FailsItsRun_AndTheNextRunResumesTheConversation()
    {
        await using var world = await ClaudeWorld.StartAsync();
        await world.RunAsync("@scenario say text=\"remember me\"");
        var run = world.Start("@scenario slow chunks=1000 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta" && e.Run == run, "the first words");
        var pid = world.ClaudePid();
        Kill(pid);
        var end = await world.EndAsync(run);
        Assert.Equal(("failed", "agent_killed"), (Outcome(end), Code(end)));
        Assert.Equal("SIGKILL", end.GetProperty("exit").GetProperty("signal").GetString());

        var next = await world.RunAsync("@scenario say text=back");
        Assert.Equal("completed", Outcome(next));
        Assert.NotEqual(pid, world.ClaudePid());
        Assert.Equal(end.GetProperty("conversation_id").GetString(), next.GetProperty("conversation_id").GetString());
        // A resumed conversation brings its earlier cost along; a run tells its own.
        Assert.InRange(next.GetProperty("cost_usd").GetDouble(), 0.0001, 0.05);
    }

    [Fact]
    public async Task KilledAgent_ComesBack_EndsTheRunAsInterrupted_AndGoesOnWithTheConversation()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var first = await world.RunAsync("@scenario say text=\"remember me\"");
        var run = world.Start("@scenario slow chunks=1000 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta" && e.Run == run, "the first words");
        var claude = world.ClaudePid();

        world.Agent.Kill();
        await world.Agent.WaitForExitAsync();
        world.Agent.Start();

        var end = await world.EndAsync(run);
        Assert.Equal("interrupted", Outcome(end));
        Assert.Empty(world.Gateway.Faults);
        await Eventually.TrueAsync(() => ProcessTree.StartTime(claude) is null);

        // The server sends the run again that it did not know to be over; it must not run twice.
        var next = await world.RunAsync("@scenario say text=back", continuation: true);
        Assert.Equal("completed", Outcome(next));
        Assert.Equal(first.GetProperty("conversation_id").GetString(), next.GetProperty("conversation_id").GetString());
        Assert.Single(world.Gateway.Events, e => e.Type == "run.finished" && e.Run == run);
        Assert.Equal(0, world.Gateway.Hellos[^1].LastCommand);
    }

    [Fact]
    public async Task CutConnections_LoseNothing_WhileClaudeStreams()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario slow chunks=100 delay_ms=20");
        for (var i = 0; i < 5; i++)
        {
            var count = world.Gateway.TotalEvents;
            await world.Gateway.UntilAsync(() => world.Gateway.TotalEvents > count + 5, "more events");
            world.Gateway.Cut();
        }

        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        var whole = world.Of(run, "text").Single().GetProperty("text").GetString();
        Assert.Equal(whole, string.Concat(world.Of(run, "text.delta").Select(d => d.GetProperty("text").GetString())));
        Assert.True(world.Gateway.Hellos.Count >= 6);
        Assert.Empty(world.Gateway.Faults);
    }

    [Fact]
    public async Task GatewayThatIsAway_IsCaughtUpWith_WhenAnotherOneTakesOver()
    {
        await using var first = await ScriptedGateway.StartAsync(CommandSetup("seq 1 50000"));
        using var agent = new AgentProcess(first);
        var endpoints = Path.Combine(agent.Root, "endpoints.json");
        agent.Config["endpoints_file"] = endpoints;
        await File.WriteAllTextAsync(endpoints, $$"""{"grpc_url":"{{first.Url}}"}""");
        first.AckLimit = 100;
        first.MaxUnackedEvents = 200;
        agent.Start();
        first.Send(Commands.Start("trun_1", ""));
        await first.UntilAsync(() => first.TotalEvents >= 300, "the first events");

        await using var second = await ScriptedGateway.StartAsync(CommandSetup("seq 1 50000"));
        second.Preload(first.Events.Take(100));
        await File.WriteAllTextAsync(endpoints, $$"""{"grpc_url":"{{second.Url}}"}""");
        await first.DisposeAsync();

        await second.WaitForAsync(e => e.Type == "run.finished", "the end", 180);
        Assert.Empty(second.Faults);
        Assert.Equal(
            Enumerable.Range(1, 50_000).Select(i => i.ToString()),
            second.Events.Where(e => e.Type == "log").Select(e => e.Data.GetProperty("content").GetString()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stop_EndsEverythingInOrder(bool bySignal)
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario slow chunks=1000 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta", "the first words");
        var claude = world.ClaudePid();
        if (bySignal)
            world.Agent.Terminate();
        else
            world.Gateway.Send(Commands.Stop("suspended"));

        Assert.Equal(ExitCodes.Stopped, await world.Agent.WaitForExitAsync());
        Assert.Equal("interrupted", Outcome(await world.EndAsync(run)));
        var last = world.Gateway.Events[^1];
        Assert.Equal("runner.stopped", last.Type);
        Assert.Equal(bySignal ? "signal" : "suspended", last.Data.GetProperty("reason").GetString());
        Assert.NotEmpty(last.Data.GetProperty("conversation_id").GetString()!);
        Assert.True(world.Gateway.SaidGoodbye);
        Assert.Null(ProcessTree.StartTime(claude));
    }

    [Fact]
    public async Task AnotherRunner_GoesOnWithTheConversation_InAnotherFolder()
    {
        await using var first = await ClaudeWorld.StartAsync();
        await first.RunAsync("@scenario say text=\"remember me\"");
        first.Gateway.Send(Commands.Stop());
        await first.Agent.WaitForExitAsync();
        var conversation = first.Gateway.Events[^1].Data.GetProperty("conversation_id").GetString()!;

        await using var second = await ClaudeWorld.StartAsync(setup =>
        {
            setup.Conversation = conversation;
        });
        // Restart with the first one's home, as a restored snapshot would have it.
        second.Agent.Kill();
        await second.Agent.WaitForExitAsync();
        if (Directory.Exists(second.Agent.Home))
            Directory.Delete(second.Agent.Home, recursive: true);
        Directory.Move(first.Agent.Home, second.Agent.Home);
        second.Agent.Start();
        var end = await second.RunAsync("@scenario say text=back");
        Assert.Equal("completed", Outcome(end));
        Assert.Equal(conversation, end.GetProperty("conversation_id").GetString());
        Assert.DoesNotContain(second.Gateway.Events, e => e.Type == "log" && e.Data.GetRawText().Contains("not in this home", StringComparison.Ordinal));
    }

    [Fact]
    public async Task UnknownConversation_BecomesANewOne_AndSaysSo()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.Conversation = "99999999-2222-4333-8444-555555555555");
        var end = await world.RunAsync("@scenario say text=new");
        Assert.Equal("completed", Outcome(end));
        Assert.NotEqual("99999999-2222-4333-8444-555555555555", end.GetProperty("conversation_id").GetString());
        Assert.Contains(world.Of("trun_1", "log"), d => d.GetProperty("content").GetString()!.Contains("99999999", StringComparison.Ordinal));
    }

    [Fact]
    public async Task DamagedConversation_BecomesANewOne_AndSaysSo()
    {
        const string conversation = "99999999-2222-4333-8444-555555555555";
        await using var world = await ClaudeWorld.StartAsync(setup => setup.Conversation = conversation);
        var folder = Path.Combine(world.Agent.Home, ".claude", "projects", "somewhere");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, conversation + ".jsonl"), "");
        var end = await world.RunAsync("@scenario say text=new");
        Assert.Equal("completed", Outcome(end));
        Assert.Equal("new", end.GetProperty("result").GetString());
    }

    [Fact]
    public async Task Fenced_EndsTheChildAndTheAgent()
    {
        await using var world = await ClaudeWorld.StartAsync();
        world.Start("@scenario slow chunks=1000 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta", "the first words");
        var claude = world.ClaudePid();
        world.Gateway.Broadcast(new ServerMessage { Fenced = new Fenced { Epoch = 2, Reason = "test" } });
        Assert.Equal(ExitCodes.Fenced, await world.Agent.WaitForExitAsync());
        await Eventually.TrueAsync(() => ProcessTree.StartTime(claude) is null);
    }

    [Fact]
    public async Task RefusedToken_EndsTheAgent()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        gateway.Refuse = Grpc.Core.StatusCode.Unauthenticated;
        using var agent = new AgentProcess(gateway).Start();
        Assert.Equal(ExitCodes.TokenRefused, await agent.WaitForExitAsync());
        Assert.DoesNotContain("rtok_canary_token", agent.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("epoch", "0", "epoch")]
    [InlineData("server_url", "\"ftp://x\"", "server_url")]
    [InlineData("state_dir", "\"relative\"", "state_dir")]
    [InlineData("token", "5", "line 1")]
    public async Task BadConfiguration_IsOneLine_WithoutTheToken(string member, string value, string complaint)
    {
        using var agent = new AgentProcess();
        agent.Config[member] = System.Text.Json.Nodes.JsonNode.Parse(value);
        agent.Start();
        Assert.Equal(ExitCodes.BadConfiguration, await agent.WaitForExitAsync());
        Assert.Contains(complaint, agent.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("rtok_canary_token", agent.Log, StringComparison.Ordinal);
        Assert.Single(agent.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Secret_IsMadeOnce_AndReadableByItsOwnerAlone()
    {
        await using var gateway = await ScriptedGateway.StartAsync(new Setup());
        using var agent = new AgentProcess(gateway).Start();
        await gateway.UntilAsync(() => gateway.Hellos.Count == 1, "the first Hello");
        agent.Kill();
        await agent.WaitForExitAsync();
        agent.Start();
        await gateway.UntilAsync(() => gateway.Hellos.Count == 2, "the second Hello");
        Assert.Equal(gateway.Hellos[0].Secret, gateway.Hellos[1].Secret);
        Assert.Equal(32, gateway.Hellos[0].Secret.Length);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(agent.State, "secret")));
    }

    private static Setup CommandSetup(string script)
    {
        var setup = new Setup { Agent = "command" };
        setup.Command.AddRange(["/bin/sh", "-c", script]);
        return setup;
    }

    private static void Kill(int pid) => Process.GetProcessById(pid).Kill();

    private static string Outcome(JsonElement end) => end.GetProperty("outcome").GetString()!;

    private static string? Code(JsonElement end) => end.GetProperty("error").GetProperty("code").GetString();
}
