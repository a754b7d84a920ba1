using System.Text.Json;
using Google.Protobuf;
using Marionette.Agent.Agents;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Processes;

public sealed class LineProtocolTests
{
    [Fact]
    public async Task ExampleAgent_AsksAndWritesWhatItWasAllowed()
    {
        await using var harness = Example();
        var running = harness.Start("hello");
        var ask = (await harness.WaitForAsync(e => e.Type == "permission.request", "the question")).Data;
        Assert.Equal("""{"text":"HELLO"}""", ask.GetProperty("input").GetRawText().Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("edit", ask.GetProperty("category").GetString());
        Assert.Null(await harness.Driver.SendAsync(new SendMessage { Run = "trun_1", Message = "msg_1", Text = "be quick" }));
        await harness.WaitForAsync(e => e.Type == "text", "the word on the message");
        Assert.True(await harness.AnswerAsync(Commands.Allow("1", "{\n\"text\": \"changed\"}")));
        var result = await running;
        Assert.Equal((Outcomes.Completed, "I wrote: changed"), (result.Outcome, result.Result));
        Assert.Equal("changed", File.ReadAllText(Path.Combine(harness.Workspace, "answer.txt")));
        Assert.Equal("I was also told: be quick", harness.Of("text").Single().GetProperty("text").GetString());
        Assert.Equal(50, harness.Of("progress").Single().GetProperty("percent").GetInt32());
        Assert.Single(harness.Of("permission.received"));
        Assert.Empty(harness.Logs);
    }

    [Fact]
    public async Task ExampleAgent_IsDeniedAndInterrupted()
    {
        await using var harness = Example();
        var running = harness.Start("hello");
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        await harness.AnswerAsync(Commands.Deny("1", "not today"));
        Assert.Equal("I wrote nothing: not today", (await running).Result);

        using var stop = new CancellationTokenSource();
        running = harness.Start("hello", "trun_2", interrupted: stop.Token);
        await harness.WaitForAsync(e => e.Type == "permission.request" && e.Run == "trun_2", "the question");
        await stop.CancelAsync();
        Assert.Equal("I wrote nothing: interrupt", (await running).Result);
    }

    [Fact]
    public async Task Result_HasStructureAndUsage()
    {
        await using var harness = Lines("""
            read -r prompt; echo "$prompt" > heard
            echo '{"type":"usage","data":{"input_tokens":3,"output_tokens":4}}'
            echo '{"type":"usage","data":{"input_tokens":1,"output_tokens":1}}'
            echo '{"type":"result","data":{"result":"done","structured_output":{"n":1},"cost_usd":0.5,"turns":2}}'
            """);
        var result = await harness.RunAsync("a \"prompt\"");
        Assert.Equal(("done", 0.5, 2L), (result.Result, result.Cost, result.Turns));
        Assert.Equal((4L, 5L), (result.Usage.Input, result.Usage.Output));
        Assert.Equal("{\"n\":1}", System.Text.Encoding.UTF8.GetString(result.StructuredOutput!));
        using var heard = JsonDocument.Parse(File.ReadAllText(Path.Combine(harness.Workspace, "heard")));
        Assert.Equal("a \"prompt\"", heard.RootElement.GetProperty("data").GetProperty("prompt").GetString());
    }

    [Theory]
    [InlineData("plain text")]
    [InlineData("{\"type\":\"text\"}")]
    [InlineData("{\"type\":\"text\",\"data\":[]}")]
    [InlineData("{\"type\":\"task.completed\",\"data\":{}}")]
    [InlineData("{\"type\":\"run.finished\",\"data\":{\"outcome\":\"completed\"}}")]
    [InlineData("{\"type\":\"permission.request\",\"data\":{\"tool\":\"no id\"}}")]
    [InlineData("{\"type\":\"text\",\"data\":{")]
    public async Task AnythingElse_IsTheLog(string line)
    {
        await using var harness = Lines($"printf '%s\\n' '{line}'");
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
        Assert.Equal(line, harness.Logs);
        Assert.Equal(["log"], harness.Types);
    }

    [Fact]
    public async Task Failure_ThatTheProgramExplains_IsToldInItsWords()
    {
        await using var harness = Lines("""echo '{"type":"result","data":{"error":{"code":"rate_limited","message":"later"}}}'; exit 3""");
        var result = await harness.RunAsync();
        Assert.Equal((Outcomes.Failed, "rate_limited", "later", 3), (result.Outcome, result.ErrorCode, result.ErrorMessage, result.Exit!.Value.Code));
    }

    [Fact]
    public async Task EndWithAQuestionOpen_WithdrawsIt_AndDenialWithInterruptCancels()
    {
        const string ask = """echo '{"type":"permission.request","data":{"request_id":"p","tool":"t"}}'""";
        await using var harness = Lines($"{ask}; read -r prompt; [ -e again ] && exec sleep 60; touch again; exit 0");
        Assert.Equal(Outcomes.Completed, (await harness.RunAsync()).Outcome);
        Assert.Single(harness.Of("permission.withdrawn"));

        var running = harness.Start(run: "trun_2");
        await harness.WaitForAsync(e => e.Type == "permission.request" && e.Run == "trun_2", "the question");
        await harness.AnswerAsync(Commands.Deny("p", "stop", interrupt: true));
        Assert.Equal(Outcomes.Canceled, (await running).Outcome);
    }

    [Theory]
    [InlineData("""{"prompt":"argument"}""", "last", "printf '%s|' \"$@\"", "x|the prompt|")]
    [InlineData("""{"prompt":"argument"}""", "--do={prompt}!", "printf '%s|' \"$@\"", "x|--do=the prompt!|")]
    [InlineData("""{"prompt":"file"}""", "last", "cat $MARIONETTE_PROMPT_FILE; wc -c", "the prompt0")]
    [InlineData("""{"prompt":"stdin"}""", "last", "cat", "the prompt")]
    public async Task Prompt_GoesWhereTheSessionWants(string options, string argument, string script, string expected)
    {
        var setup = new Setup { Agent = "command", Options = ByteString.CopyFromUtf8(options) };
        setup.Command.AddRange(argument == "last" ? ["sh", "-c", script, "sh", "x"] : ["sh", "-c", script, "sh", "x", argument]);
        await using var harness = new DriverHarness(setup);
        Assert.Equal(expected, (await harness.RunAsync("the prompt")).Result);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"prompt":"letter"}""")]
    [InlineData("""{"prompt":1}""")]
    [InlineData("""{"protocol":"http"}""")]
    [InlineData("""{"speed":1}""")]
    public async Task WrongOptions_FailTheRun(string options)
    {
        var setup = new Setup { Agent = "command", Options = ByteString.CopyFromUtf8(options) };
        setup.Command.Add("true");
        await using var harness = new DriverHarness(setup);
        Assert.Equal(ErrorCodes.OptionsInvalid, (await harness.RunAsync()).ErrorCode);
    }

    private static DriverHarness Lines(string script)
    {
        var setup = new Setup { Agent = "command", Options = ByteString.CopyFromUtf8("""{"protocol":"lines"}""") };
        setup.Command.AddRange(["sh", "-c", script]);
        return new DriverHarness(setup);
    }

    private static DriverHarness Example()
    {
        var setup = new Setup { Agent = "command", Options = ByteString.CopyFromUtf8("""{"protocol":"lines"}""") };
        setup.Command.AddRange(["python3", Path.Combine(AppContext.BaseDirectory, "Examples", "line_agent.py")]);
        return new DriverHarness(setup);
    }
}
