using System.Text.Json.Nodes;
using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

public sealed class StreamTests : ServerTest
{
    [Fact]
    public async Task Stream_Text_FollowsTheApisSequence()
    {
        var events = await StreamAsync(User("@scenario say text=\"Hello, you\" chunk=5"));

        Assert.Equal(
            "message_start content_block_start ping content_block_delta content_block_delta content_block_stop "
            + "message_delta message_stop",
            string.Join(' ', events.Select(e => (string?)e["type"])));
        Assert.Equal("Hello, you", SseReader.TextOf(events));
        Assert.Equal("assistant", (string?)events[0]["message"]!["role"]);
        Assert.Equal("claude-test", (string?)events[0]["message"]!["model"]);
        Assert.Null(events[0]["message"]!["stop_reason"]);
        Assert.Equal("end_turn", (string?)events[^2]["delta"]!["stop_reason"]);
    }

    [Fact]
    public async Task Stream_Tool_SendsItsInputInPieces()
    {
        var events = await StreamAsync(User("@scenario shell cmd=\"echo a long enough command\""));

        var start = events.Single(e => (string?)e["type"] == "content_block_start")["content_block"]!;
        Assert.Equal("tool_use", (string?)start["type"]);
        Assert.Equal("Bash", (string?)start["name"]);
        Assert.StartsWith("toolu_", (string?)start["id"]);
        Assert.Empty(start["input"]!.AsObject());
        var input = string.Concat(
            events.Where(e => (string?)e["type"] == "content_block_delta").Select(e => (string?)e["delta"]!["partial_json"]));
        Assert.Equal("echo a long enough command", (string?)JsonNode.Parse(input)!["command"]);
        Assert.Equal("tool_use", (string?)events[^2]["delta"]!["stop_reason"]);
    }

    [Fact]
    public async Task Stream_Thinking_IsSignedAndComesFirst()
    {
        var events = await StreamAsync(User("@scenario think thought=hm text=so"));

        var deltas = events.Where(e => (string?)e["type"] == "content_block_delta").ToList();
        Assert.Equal(["thinking_delta", "signature_delta", "text_delta"], deltas.Select(d => (string?)d["delta"]!["type"]));
        Assert.Equal([0, 0, 1], deltas.Select(d => (int)d["index"]!));
        Assert.NotEmpty((string)deltas[1]["delta"]!["signature"]!);
    }

    [Fact]
    public async Task Stream_ParallelTools_HaveIdsOfTheirOwn()
    {
        var events = await StreamAsync(User("@scenario parallel n=5"));

        var ids = events.Where(e => (string?)e["type"] == "content_block_start")
            .Select(e => (string?)e["content_block"]!["id"])
            .ToList();
        Assert.Equal(5, ids.Distinct().Count());
    }

    [Fact]
    public async Task Stream_Unicode_ArrivesUnharmed()
    {
        var events = await StreamAsync(User("@scenario unicode chunk=1"));

        Assert.Equal(Scenarios.Samples.Unicode, SseReader.TextOf(events));
    }

    [Fact]
    public async Task Stream_Huge_HasEveryByte()
    {
        var events = await StreamAsync(User("@scenario huge bytes=3000000"));

        Assert.Equal(3_000_000, SseReader.TextOf(events).Length);
        Assert.Equal(750_000, (int)events[^2]["usage"]!["output_tokens"]!);
    }

    [Fact]
    public async Task Message_NotStreamed_HasTheSameContentAndUsage()
    {
        var prompt = User("@scenario think\n@scenario shell cmd=ls");
        var streamed = await StreamAsync(prompt);
        using var response = await PostAsync(Body(false, prompt));
        var message = await JsonAsync(response);

        Assert.Equal(["thinking", "text", "tool_use"], message["content"]!.AsArray().Select(b => (string?)b!["type"]));
        Assert.Equal("ls", (string?)message["content"]![2]!["input"]!["command"]);
        Assert.Equal("tool_use", (string?)message["stop_reason"]);
        Assert.Equal(
            (int)streamed[^2]["usage"]!["output_tokens"]!, (int)message["usage"]!["output_tokens"]!);
    }

    [Fact]
    public async Task Usage_OfTheFirstAndALaterTurn_FillsAndThenReadsTheCache()
    {
        var first = (await StreamAsync(User("hello")))[0]["message"]!["usage"]!;
        var later = (await StreamAsync(User("hello"), Assistant("hi"), User("again")))[0]["message"]!["usage"]!;

        Assert.Equal(0, (int)first["cache_read_input_tokens"]!);
        Assert.True((int)first["cache_creation_input_tokens"]! > 0);
        Assert.True((int)later["cache_read_input_tokens"]! > (int)later["cache_creation_input_tokens"]!);
    }

    [Fact]
    public async Task Session_TwoAtOnce_EachGoesItsOwnWay()
    {
        async Task<string> Play(string name)
        {
            var messages = new List<JsonObject> { User($"@scenario multi n=5 cmd=\"{name}-{{i}}\"") };
            var commands = new List<string?>();
            while (true)
            {
                using var response = await PostAsync(Body(false, [.. messages]), session: name);
                var content = (await JsonAsync(response))["content"]![0]!;
                if ((string?)content["type"] != "tool_use") return string.Join(' ', commands);
                commands.Add((string?)content["input"]!["command"]);
                messages.Add(Assistant("call"));
                messages.Add(User(Result("done")));
            }
        }

        var played = await Task.WhenAll(Play("a"), Play("b"));

        Assert.Equal(["a-1 a-2 a-3 a-4 a-5", "b-1 b-2 b-3 b-4 b-5"], played);
    }

    [Fact]
    public async Task Request_AskedTwice_IsAnsweredAlike()
    {
        var one = await StreamAsync(User("@scenario shell cmd=ls"));
        var two = await StreamAsync(User("@scenario shell cmd=ls"));

        Assert.Equal(one.Select(e => e.ToJsonString()), two.Select(e => e.ToJsonString()));
    }
}
