using System.Net;
using System.Text.Json;
using Google.Protobuf;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>What a session can do with the real Claude Code beside giving it one prompt after another.</summary>
public sealed class ClaudeSessionTests
{
    private const string Pixel =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    [Fact]
    public async Task Message_IntoAToolCall_ReachesTheModelInTheSameTurn()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        var question = await world.QuestionAsync(run);
        world.Send(run, "msg_1", "and mind the gap");
        await world.Gateway.WaitForAsync(e => e.Type == "message.received", "the message's receipt");
        world.Gateway.Send(Commands.Allow(question));
        var end = await world.EndAsync(run);
        Assert.Equal("completed", Outcome(end));
        Assert.Equal(2, end.GetProperty("turns").GetInt32());
        Assert.Equal(2, world.Model.Requests.Count(r => r.Path == "/v1/messages" && r.Scenario == "shell"));
    }

    [Fact]
    public async Task Message_IntoTheLastAnswer_MakesAFurtherTurnOfTheSameRun()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario slow chunks=20 delay_ms=50");
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta", "the first words");
        world.Send(run, "msg_1", "@scenario say text=\"and that too\"");
        var end = await world.EndAsync(run);
        Assert.Equal("and that too", end.GetProperty("result").GetString());
        Assert.Equal("completed", Outcome(end));
        Assert.Equal(2, end.GetProperty("turns").GetInt32());
        Assert.Single(world.Gateway.Events, e => e.Type == "run.finished");
        Assert.Equal("msg_1", world.Of(run, "message.received").Single().GetProperty("message_id").GetString());
    }

    [Fact]
    public async Task Interrupt_TakesBackWhatIsUnread()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario shell cmd=\"touch made.txt\"");
        await world.QuestionAsync(run);
        world.Send(run, "msg_1", "@scenario say text=never");
        await world.Gateway.WaitForAsync(e => e.Type == "message.received", "the message's receipt");
        world.Gateway.Send(Commands.Interrupt(run, "canceled"));
        Assert.Equal("canceled", Outcome(await world.EndAsync(run)));
        Assert.Equal("next", (await world.RunAsync("@scenario say text=next")).GetProperty("result").GetString());
        Assert.DoesNotContain(world.Gateway.Events, e => e.Type == "text" && e.Data.GetRawText().Contains("never", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Conversation_NewAndNamed_AreWhatTheRunWorksIn()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var first = Conversation(await world.RunAsync("@scenario say text=one"));
        var second = Conversation(await world.EndAsync(world.Start("@scenario say text=two", run => run.Conversation = "new")));
        Assert.NotEqual(first, second);
        Assert.False(world.Model.Requests.Last(r => r.Scenario == "say").History);
        var third = world.Start("@scenario say text=three", run => run.Conversation = first);
        Assert.Equal(first, Conversation(await world.EndAsync(third)));
        Assert.True(world.Model.Requests.Last(r => r.Scenario == "say").History);
        Assert.Equal(first, Conversation(await world.RunAsync("@scenario say text=four")));
    }

    [Fact]
    public async Task Configure_InTheMiddleOfARun_HoldsAtOnce()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario multi n=2 cmd=\"touch file{i}\"");
        var question = await world.QuestionAsync(run);
        world.Configure("claude-haiku-4-5", "bypassPermissions");
        var refused = (await world.Gateway.WaitForAsync(e => e.Type == "configure.refused", "the refusal")).Data;
        Assert.Contains("bypass", refused.GetProperty("reason").GetString(), StringComparison.OrdinalIgnoreCase);
        world.Configure("claude-haiku-4-5", "acceptEdits");
        await world.Gateway.WaitForAsync(e => e.Type == "configure.applied", "the confirmation");
        world.Gateway.Send(Commands.Allow(question));
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        Assert.Contains(world.Of(run, "usage"), u => u.GetProperty("model").GetString() == "claude-haiku-4-5");
        Assert.Contains(world.Of(run, "state"), s => s.TryGetProperty("permission_mode", out var mode) && mode.GetString() == "acceptEdits");
        var pid = world.ClaudePid();
        await world.RunAsync("@scenario say text=again");
        Assert.Equal(pid, world.ClaudePid());
    }

    [Fact]
    public async Task Plan_DeniedWithFeedback_KeepsPlanning_AndApprovalTellsTheMode()
    {
        await using var world = await ClaudeWorld.StartAsync(setup =>
        {
            setup.PermissionMode = "plan";
            setup.Env["ENABLE_TOOL_SEARCH"] = "false"; // else the scripted model would have to search for the tool first
        });
        var plan = "@scenario tool name=ExitPlanMode input='{\"plan\":\"# First this, then that\"}'";
        var run = world.Start(plan);
        var ask = (await world.Gateway.WaitForAsync(e => e.Type == "permission.request", "the plan")).Data;
        Assert.Equal("plan", ask.GetProperty("category").GetString());
        Assert.Equal("# First this, then that", ask.GetProperty("description").GetString());
        world.Gateway.Send(Commands.Deny(ask.GetProperty("request_id").GetString()!, "make it shorter"));
        await world.EndAsync(run);
        Assert.Contains(world.Of(run, "tool_result"), r => r.GetProperty("content").GetString() == "make it shorter");
        Assert.DoesNotContain(world.Of(run, "state"), s => s.TryGetProperty("permission_mode", out var m) && m.GetString() != "plan");

        var second = world.Start(plan);
        world.Gateway.Send(Commands.Allow(await world.QuestionAsync(second)));
        Assert.Equal("completed", Outcome(await world.EndAsync(second)));
        Assert.Contains(world.Of(second, "state"), s => s.TryGetProperty("permission_mode", out var m) && m.GetString() == "default");
    }

    [Fact]
    public async Task Question_IsAnsweredByTheChangedInput()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.Env["ENABLE_TOOL_SEARCH"] = "false");
        var run = world.Start("@scenario ask question=\"Tea or coffee?\" options=\"Tea|Coffee\"");
        var ask = (await world.Gateway.WaitForAsync(e => e.Type == "permission.request", "the question")).Data;
        Assert.Equal("question", ask.GetProperty("category").GetString());
        var questions = ask.GetProperty("input").GetProperty("questions").GetRawText();
        world.Gateway.Send(Commands.Allow(
            ask.GetProperty("request_id").GetString()!, $$$"""{"questions":{{{questions}}},"answers":{"Tea or coffee?":"Coffee"}}"""));
        var end = await world.EndAsync(run);
        Assert.Contains("Coffee", end.GetProperty("result").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SubAgent_IsNestedUnderItsCall()
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.PermissionMode = "bypassPermissions");
        var run = world.Start("""
            @scenario tool name=Agent input='{"description":"d","subagent_type":"general-purpose","prompt":"@scenario shell cmd=\"echo from below\"","run_in_background":false}'
            """);
        Assert.Equal("completed", Outcome(await world.EndAsync(run)));
        var call = world.Of(run, "tool_use").Single(t => t.GetProperty("name").GetString() == "Agent").GetProperty("tool_use_id").GetString();
        var inner = world.Of(run, "tool_use").Single(t => t.GetProperty("name").GetString() == "Bash");
        Assert.Equal(call, Parent(inner));
        var result = world.Of(run, "tool_result").Single(
            r => r.GetProperty("tool_use_id").GetString() == inner.GetProperty("tool_use_id").GetString());
        Assert.Equal(call, Parent(result));
        Assert.Contains(world.Of(run, "text"), t => Parent(t) == call && t.GetProperty("text").GetString()!.Contains("from below", StringComparison.Ordinal));
        Assert.Contains(world.Of(run, "progress"), p => Parent(p) == call);
    }

    [Fact]
    public async Task Write_IsAskedForWithItsDiff()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var run = world.Start("@scenario write file=greeting.txt text=\"hello\\nworld\"");
        var ask = (await world.Gateway.WaitForAsync(e => e.Type == "permission.request", "the question")).Data;
        Assert.Equal("edit", ask.GetProperty("category").GetString());
        var diff = ask.GetProperty("diff").GetString()!;
        Assert.Contains("+hello\n+world", diff, StringComparison.Ordinal);
        world.Gateway.Send(Commands.Allow(ask.GetProperty("request_id").GetString()!));
        var end = await world.EndAsync(run);
        Assert.Equal(
            """[{"path":"greeting.txt","change":"added"}]""", end.GetProperty("files_changed").GetRawText());
        Assert.True(end.GetProperty("model_ms").GetInt64() > 0);
    }

    [Fact]
    public async Task Attachments_LieInTheWorkspace_AndImagesGoAlong()
    {
        await using var world = await ClaudeWorld.StartAsync();
        var end = await world.EndAsync(world.Start("@scenario say text=seen", run =>
        {
            run.Attachments.Add(new Attachment { Name = "../dot.png", MediaType = "image/png", Content = ByteString.FromBase64(Pixel) });
            run.Attachments.Add(new Attachment { Name = "notes.txt", Content = ByteString.CopyFromUtf8("take note") });
        }));
        Assert.Equal("completed", Outcome(end));
        var folder = Path.Combine(world.Agent.Workspace, ".marionette", "attachments", "trun_1");
        Assert.Equal("take note", File.ReadAllText(Path.Combine(folder, "notes.txt")));
        Assert.Equal(["_dot.png", "notes.txt"], Directory.GetFiles(folder).Select(Path.GetFileName).Order());
        var history = string.Concat(Directory.GetFiles(world.Agent.Home, "*.jsonl", SearchOption.AllDirectories).Select(File.ReadAllText));
        Assert.Contains(Pixel, history, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(folder, "notes.txt"), history, StringComparison.Ordinal);
        Assert.Equal("[]", end.GetProperty("files_changed").GetRawText());
    }

    [Fact]
    public async Task OutputSchema_WrongThenRight_IsAskedForAgain()
    {
        await using var world = await ClaudeWorld.StartAsync();
        const string schema = """{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}""";
        var end = await world.EndAsync(world.Start(
            "@scenario say text=\"Here it is:\\n```json\\n{\\\"n\\\": 5}\\n```\"", run => run.OutputSchema = ByteString.CopyFromUtf8(schema)));
        Assert.Equal("""{"n":5}""", end.GetProperty("structured_output").GetRawText());

        end = await world.EndAsync(world.Start(
            "@scenario say text=\"no number here\"", run => run.OutputSchema = ByteString.CopyFromUtf8(schema)));
        Assert.Equal("output_invalid", Code(end));
        Assert.Equal(3, end.GetProperty("turns").GetInt32());
    }

    [Fact]
    public async Task McpServers_GetTheirHeaders_AndNobodyElseSeesThem()
    {
        const string secret = "mcp-secret-0123456789";
        using var listener = new HttpListener();
        var port = FreePort();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var asked = listener.GetContextAsync();
        await using var world = await ClaudeWorld.StartAsync(setup => setup.Options = ByteString.CopyFromUtf8(
            $$$$"""{"mcp_servers":{"far":{"type":"http","url":"http://127.0.0.1:{{{{port}}}}/mcp","headers":{"Authorization":"Bearer {{{{secret}}}}"}}},"append_system_prompt":"Be kind."}"""));
        var run = world.Start("@scenario slow chunks=40 delay_ms=50");
        var request = await asked.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal($"Bearer {secret}", request.Request.Headers["Authorization"]);
        request.Response.StatusCode = 404;
        request.Response.Close();
        listener.Stop(); // Claude waits for its servers, but not for one that refuses
        await world.Gateway.WaitForAsync(e => e.Type == "text.delta", "the first words");
        Assert.DoesNotContain(secret, File.ReadAllText($"/proc/{world.ClaudePid()}/cmdline"), StringComparison.Ordinal);
        Assert.Contains("Be kind.", File.ReadAllText($"/proc/{world.ClaudePid()}/cmdline"), StringComparison.Ordinal);
        Assert.DoesNotContain(
            Directory.GetFiles(world.Agent.State), file => File.ReadAllText(file).Contains(secret, StringComparison.Ordinal));
        await world.EndAsync(run);
    }

    [Theory]
    [InlineData("[1]", "not a JSON object")]
    [InlineData("""{"mcp_server":{}}""", "mcp_server is unknown")]
    [InlineData("""{"mcp_servers":{"x":{}},"max_turns":0}""", "mcp_servers.x must be an object with a command or a url; max_turns must be")]
    public async Task WrongOptions_FailTheRun_AndSayWhy(string options, string why)
    {
        await using var world = await ClaudeWorld.StartAsync(setup => setup.Options = ByteString.CopyFromUtf8(options));
        var end = await world.RunAsync("@scenario say text=never");
        Assert.Equal("options_invalid", Code(end));
        Assert.Contains(why, end.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task MaxTurns_IsTheSessions()
    {
        await using var world = await ClaudeWorld.StartAsync(setup =>
        {
            setup.Options = ByteString.CopyFromUtf8("""{"max_turns":2}""");
            setup.PermissionMode = "bypassPermissions";
        });
        Assert.Equal("max_turns", Code(await world.RunAsync("@scenario loop n=9")));
    }

    private static int FreePort()
    {
        var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        return port;
    }

    private static string Outcome(JsonElement end) => end.GetProperty("outcome").GetString()!;

    private static string Conversation(JsonElement end) => end.GetProperty("conversation_id").GetString()!;

    private static string? Code(JsonElement end) => end.GetProperty("error").GetProperty("code").GetString();

    private static string? Parent(JsonElement data) =>
        data.TryGetProperty("parent_tool_use_id", out var parent) ? parent.GetString() : null;
}
