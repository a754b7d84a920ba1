using System.Text.Json;
using Google.Protobuf;
using Marionette.Adapters.Tests.Kit;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Adapters.Tests.Adapters;

/// <summary>What a session gives Codex beside its prompt, and what Codex does that no other agent does.</summary>
public sealed class CodexSettingsTests
{
    private static readonly CodexAdapter Codex = new();

    [Fact]
    public async Task Config_OffersThePlan_AndThePlanIsTheProgress()
    {
        await using var world = await StartAsync("""{"config":{"tools.update_plan":{"enabled":true}}}""");
        var end = await world.RunAsync(
            """@scenario tool name=update_plan input='{"plan":[{"step":"look","status":"completed"},{"step":"mend","status":"in_progress"},{"step":"test","status":"pending"}]}'""");
        Assert.Equal("completed", end.GetProperty("outcome").GetString());
        var plan = Assert.Single(world.Of(world.LastRun, "progress"), progress => progress.TryGetProperty("todos", out _));
        Assert.Equal("mend", plan.GetProperty("step").GetString());
        Assert.Equal(
            [("look", "completed"), ("mend", "in_progress"), ("test", "pending")],
            plan.GetProperty("todos").EnumerateArray().Select(todo => (todo.GetProperty("content").GetString(), todo.GetProperty("status").GetString())));
    }

    [Fact]
    public async Task Config_WithoutThePlan_OffersNone()
    {
        await using var world = await StartAsync("{}");
        var end = await world.RunAsync("""@scenario tool name=update_plan input='{"plan":[]}'""");
        Assert.Contains("not offered the tool update_plan", end.GetProperty("result").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("12")] // seconds: more than Codex gives a server by itself, and Codex would begin the turn without it
    public async Task McpServer_OfTheSession_IsCalled(string delay)
    {
        var script = Path.Combine(AppContext.BaseDirectory, "Adapters", "mcp_probe.py");
        await using var world = await StartAsync(JsonSerializer.Serialize(new
        {
            config = new Dictionary<string, object>
            {
                ["mcp_servers.kit"] = new { command = "python3", args = new[] { script }, env = new { PROBE = "salt", PROBE_DELAY = delay } },
            },
        }));
        var end = await world.RunAsync("""@scenario tool name=mcp__kit.probe input='{"word":"pepper"}'""");
        Assert.True(end.GetProperty("outcome").GetString() == "completed", end.ToString());
        Assert.True(world.Of(world.LastRun, "tool_use").Count() == 1, end.ToString());
        Assert.Equal("mcp__kit__probe", Assert.Single(world.Of(world.LastRun, "tool_use")).GetProperty("name").GetString());
        var result = Assert.Single(world.Of(world.LastRun, "tool_result"));
        Assert.Equal(("pepper and salt", false), (result.GetProperty("content").GetString(), result.GetProperty("is_error").GetBoolean()));
    }

    [Fact]
    public async Task McpServer_ThatDoesNotStart_IsToldOf_AndTheRunGoesOn()
    {
        await using var world = await StartAsync("""{"config":{"mcp_servers":{"kit":{"command":"false"},"off":{"command":"false","enabled":false}}}}""");
        var end = await world.RunAsync("@scenario say text=without");
        Assert.Equal("without", end.GetProperty("result").GetString());
        var told = Assert.Single(world.Of(world.LastRun, "log"), log => log.GetProperty("content").GetString()!.Contains("MCP server", StringComparison.Ordinal));
        Assert.StartsWith("The MCP server kit did not start: ", told.GetProperty("content").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task McpServer_ThatStarts_DoesNotHoldAnInterruptUp()
    {
        await using var world = await StartAsync("""{"config":{"mcp_servers.kit":{"command":"sleep","args":["600"],"startup_timeout_sec":600}}}""");
        var run = world.Start("@scenario say text=never");
        await world.Gateway.WaitForAsync(
            e => e.Run == run && e.Type == "state" && e.Data.GetProperty("phase").GetString() == "ready", "the thread", AdapterWorld.Patience);
        world.Gateway.Send(Commands.Interrupt(run, "canceled"));
        Assert.Equal("canceled", (await world.EndAsync(run)).GetProperty("outcome").GetString());
        Assert.Empty(world.Model.Requests);
    }

    [Fact]
    public async Task Image_GoesToTheModel_AndOtherFilesAreNamed()
    {
        await using var world = await StartAsync("{}");
        var end = await world.RunAsync("@scenario say text=seen", run => run.Attachments.AddRange(
        [
            new Attachment { Name = "dot.png", MediaType = "image/png", Content = ByteString.CopyFrom(Dot) },
            new Attachment { Name = "note.txt", MediaType = "text/plain", Content = ByteString.CopyFromUtf8("a note") },
        ]));
        Assert.Equal("seen", end.GetProperty("result").GetString());
        Assert.Equal(1, world.Model.Requests.Last(request => request.Scenario == "say").Images);
        Assert.Equal("a note", await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(world.Workspace, "note.txt", SearchOption.AllDirectories))));
    }

    [Fact]
    public async Task Question_OfTheModel_WaitsForItsAnswer()
    {
        await using var world = await StartAsync("""{"config":{"features.default_mode_request_user_input":true}}""");
        var run = world.Start(
            """@scenario tool name=request_user_input input='{"questions":[{"id":"colour","header":"Colour","question":"Which one?","options":[{"label":"red","description":"warm"},{"label":"blue","description":"cold"}]}]}'""");
        var ask = await world.HearAsync(run, "permission.request");
        Assert.Equal(("question", "Which one?", true),
            (ask.GetProperty("category").GetString(), ask.GetProperty("title").GetString(), ask.GetProperty("takes_input").GetBoolean()));
        world.Gateway.Send(Commands.Allow(ask.GetProperty("request_id").GetString()!, """{"answers":{"colour":"blue"}}"""));
        var end = await world.EndAsync(run);
        Assert.Equal("completed", end.GetProperty("outcome").GetString());
        Assert.Contains("blue", end.GetProperty("result").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SubAgent_IsBelowTheCallThatBeganIt()
    {
        await using var world = await StartAsync("{}");
        var run = world.Start(
            """
            @scenario tool name=multi_agent_v1.spawn_agent input='{"message":"@scenario shell cmd=\"echo from below\""}'
            @scenario shell cmd="while [ ! -e go ]; do sleep 0.05; done"
            """);
        // The agent's own turn waits until its sub-agent has said everything: what comes after the run's end belongs to no run.
        await world.Gateway.WaitForAsync(
            e => e.Run == run && e.Type == "text" && e.Data.TryGetProperty("parent_tool_use_id", out _), "the sub-agent's words", AdapterWorld.Patience);
        await File.WriteAllTextAsync(Path.Combine(world.Workspace, "go"), "");
        var end = await world.EndAsync(run);
        Assert.Equal("completed", end.GetProperty("outcome").GetString());
        Assert.DoesNotContain("from below", end.GetProperty("result").GetString(), StringComparison.Ordinal);

        var calls = world.Of(run, "tool_use").ToList();
        var spawn = Assert.Single(calls, call => call.GetProperty("name").GetString() == "spawnAgent").GetProperty("tool_use_id").GetString();
        Assert.Equal([null, null, spawn], calls.Select(ParentOf).Order());
        foreach (var type in new[] { "tool_use", "tool_result", "text", "progress" })
            Assert.Single(world.Of(run, type), e => ParentOf(e) == spawn);
        var result = Assert.Single(world.Of(run, "tool_result"), e => ParentOf(e) == spawn);
        Assert.Contains("from below", result.GetProperty("content").GetString(), StringComparison.Ordinal);
    }

    private static readonly byte[] Dot = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    private static string? ParentOf(JsonElement e) => e.TryGetProperty("parent_tool_use_id", out var parent) ? parent.GetString() : null;

    private static Task<AdapterWorld> StartAsync(string options) => AdapterWorld.StartAsync(Codex, setup =>
    {
        setup.PermissionMode = "bypassPermissions";
        setup.Options = ByteString.CopyFromUtf8(options);
    });
}
