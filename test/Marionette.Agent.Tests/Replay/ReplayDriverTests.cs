using System.Diagnostics;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Marionette.Agent.Agents;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Replay;

public sealed class ReplayDriverTests
{
    private const string Header = """{"format":"marionette.recording","version":1,"session":{"agent":"claude"}}""";

    // Two tasks: one asks and is answered after an hour, one fails.
    private static readonly string[] Lines =
    [
        Header,
        Event(1, 0, null, "session.created", "{}"),
        Event(2, 0, "task_a", "task.created", """{"prompt":"x"}"""),
        Event(3, 0, "task_a", "task.started", "{}"),
        Event(4, 0, "task_a", "text.delta", """{"message_id":"m","index":0,"text":"Hä"}"""),
        Event(5, 0.3, "task_a", "tool_use", """{"tool_use_id":"t","name":"Bash","input":{"command":"ls"},"future":{"deep":[1]}}"""),
        Event(6, 0.3, "task_a", "permission.requested", """{"permission_id":"perm_1","request_id":"r1","tool":"Bash","category":"command","command":"ls","input":{"command":"ls"},"risk_level":"high"}"""),
        Event(7, 3600, "task_a", "permission.approved", """{"permission_id":"perm_1","by":"somebody"}"""),
        Event(8, 3600, "task_a", "permission.delivered", """{"permission_id":"perm_1"}"""),
        Event(9, 3600.1, "task_a", "text", """{"message_id":"m","index":0,"text":"Hä?"}"""),
        Event(10, 3600.1, "task_a", "task.completed", """{"attempt":1,"result":"Hä?","usage":{"input_tokens":5,"output_tokens":6,"cache_read_tokens":7,"cache_write_tokens":8},"cost_usd":0.25,"duration_ms":5,"turns":2,"files_changed":[{"path":"a","change":"added"}]}"""),
        Event(11, 3601, "task_b", "task.started", "{}"),
        Event(12, 3601, "task_b", "task.failed", """{"error":{"code":"max_turns","message":"too many"},"exit":{"code":3},"usage":{}}"""),
        Event(13, 3602, "task_c", "task.started", "{}"),
    ];

    [Fact]
    public async Task Tasks_ArePlayedInOrder_WithTheirQuestionsAndEnds()
    {
        await using var harness = Harness();
        var running = harness.Start();
        var ask = (await harness.WaitForAsync(e => e.Type == "permission.request", "the question")).Data;
        Assert.Equal(("r1", "command", "ls"), (Text(ask, "request_id"), Text(ask, "category"), Text(ask, "command")));
        Assert.False(running.IsCompleted);
        Assert.True(await harness.AnswerAsync(Commands.Allow("r1")));
        Assert.False(await harness.AnswerAsync(Commands.Allow("r1")));
        var result = await running;
        Assert.Equal((Outcomes.Completed, "Hä?", 0.25, 2L), (result.Outcome, result.Result, result.Cost, result.Turns));
        Assert.Equal(new TokenUsage(5, 6, 7, 8), result.Usage);
        Assert.Equal(new Marionette.Agent.Runs.FileChange("a", "added"), result.Changes!.Files.Single());
        Assert.Equal(["text.delta", "tool_use", "permission.request", "permission.received", "text"], harness.Types);
        Assert.Equal(
            """{"tool_use_id":"t","name":"Bash","input":{"command":"ls"},"future":{"deep":[1]}}""", harness.Of("tool_use").Single().GetRawText());

        result = await harness.RunAsync(run: "trun_2");
        Assert.Equal((Outcomes.Failed, "max_turns", "too many", 3), (result.Outcome, result.ErrorCode, result.ErrorMessage, result.Exit!.Value.Code));
        result = await harness.RunAsync(run: "trun_3");
        Assert.Equal(ErrorCodes.OptionsInvalid, result.ErrorCode);
        Assert.Contains("2 tasks", result.ErrorMessage, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Timing_IsTheRecordedOne_WithoutThePersonsPause()
    {
        await using var harness = Harness(speed: 1);
        var clock = Stopwatch.StartNew();
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.29, 20);
        await harness.AnswerAsync(Commands.Allow("r1"));
        await running.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task CutOffRun_IsPlayedAgain_AlsoByANewProcess()
    {
        await using var harness = Harness();
        using var stop = new CancellationTokenSource();
        var running = harness.Start(interrupted: stop.Token);
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        await stop.CancelAsync();
        Assert.Equal(Outcomes.Interrupted, (await running).Outcome);
        Assert.Single(harness.Of("permission.withdrawn"));
        Assert.Equal("replay:0", harness.Services.Journal.Record.Conversation);

        var setup = harness.Setup.Current.Clone();
        setup.Conversation = "replay:1";
        await using var later = new DriverHarness(setup);
        Assert.Equal("max_turns", (await later.RunAsync()).ErrorCode);
        Assert.Equal("replay:2", later.Driver.ConversationId);
    }

    [Fact]
    public async Task DenialThatEndsTheTurn_CancelsIt()
    {
        await using var harness = Harness();
        var running = harness.Start();
        await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        await harness.AnswerAsync(Commands.Deny("r1", "no", interrupt: true));
        Assert.Equal(Outcomes.Canceled, (await running).Outcome);
    }

    [Fact]
    public async Task File_OfTheWorkspace_IsPlayed_AndNoOther()
    {
        await using var harness = new DriverHarness(Setup("tape.ndjson", 0));
        Directory.CreateDirectory(harness.Workspace);
        File.WriteAllText(Path.Combine(harness.Workspace, "tape.ndjson"), string.Join('\n', Lines.Where(line => !line.Contains("task_a", StringComparison.Ordinal))));
        Assert.Equal("max_turns", (await harness.RunAsync()).ErrorCode);

        await using var outside = new DriverHarness(Setup("../journal.json", 0));
        Assert.Contains("outside of the workspace", (await outside.RunAsync()).ErrorMessage, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"recording":""}""", "recording must be")]
    [InlineData("""{"recording":"{}"}""", "its first line does not say")]
    [InlineData("""{"recording":"{\"format\":\"marionette.recording\",\"version\":2}"}""", "its version is 2")]
    [InlineData("""{"recording":"{\"format\":\"marionette.recording\",\"version\":1}\n{"}""", "line 2 is not valid JSON")]
    [InlineData("""{"recording":"missing.ndjson"}""", "cannot be read")]
    [InlineData("""{"recording":"{}","speed":-1}""", "speed must be")]
    [InlineData("""{"recording":"{}","sped":1}""", "sped is unknown")]
    [InlineData("nothing", "not valid JSON")]
    public async Task WrongRecording_FailsTheRun_AndSaysWhy(string options, string why)
    {
        await using var harness = new DriverHarness(new Setup { Agent = "replay", Options = ByteString.CopyFromUtf8(options) });
        var result = await harness.RunAsync();
        Assert.Equal(ErrorCodes.OptionsInvalid, result.ErrorCode);
        Assert.Contains(why, result.ErrorMessage, StringComparison.Ordinal);
    }

    private static DriverHarness Harness(double speed = 0) => new(Setup(string.Join('\n', Lines), speed));

    private static Setup Setup(string recording, double speed) => new()
    {
        Agent = "replay",
        Options = ByteString.CopyFromUtf8(new JsonObject { ["recording"] = recording, ["speed"] = speed }.ToJsonString()),
    };

    private static string Event(int seq, double seconds, string? task, string type, string data)
    {
        var time = new DateTime(2026, 11, 24, 10, 0, 0, DateTimeKind.Utc).AddSeconds(seconds).ToString("yyyy-MM-ddTHH:mm:ss.fffZ");
        var id = task is null ? "" : $"\"task_id\":\"{task}\",";
        return $$"""{"seq":{{seq}},"type":"{{type}}","time":"{{time}}",{{id}}"data":""" + data + "}";
    }

    private static string? Text(System.Text.Json.JsonElement data, string name) => data.GetProperty(name).GetString();
}
