using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Tests;

/// <summary>The same scripts over the two OpenAI APIs.</summary>
public sealed class OpenAiTests : ServerTest
{
    [Fact]
    public async Task Responses_Text_FollowsTheApisSequence()
    {
        var events = await ResponsesAsync([User("@scenario say text=\"Hello, you\" chunk=5")]);
        Assert.Equal(
            "response.created response.in_progress response.output_item.added response.content_part.added response.output_text.delta "
            + "response.output_text.delta response.output_text.done response.content_part.done response.output_item.done response.completed",
            string.Join(' ', events.Select(e => (string?)e["type"])));
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(e => (int)e["sequence_number"]!));
        Assert.Equal("Hello, you", (string?)events[^2]["item"]!["content"]![0]!["text"]);
        Assert.True((int)events[^1]["response"]!["usage"]!["output_tokens"]! > 0);
    }

    [Fact]
    public async Task Responses_Shell_GoesByTheNameThatIsOffered_AndItsResultIsQuoted()
    {
        var input = new JsonArray(Note("<environment_context><cwd>/w</cwd></environment_context>"), User("@scenario shell cmd=\"ls -l\""));
        var call = (await ResponsesAsync(input)).Single(e => (string?)e["type"] == "response.output_item.done")["item"]!;
        Assert.Equal("exec_command", (string?)call["name"]);
        Assert.Equal("""{"cmd":"ls -l"}""", (string?)call["arguments"]);
        input.Add(call.DeepClone());
        input.Add(new JsonObject
        {
            ["type"] = "function_call_output", ["call_id"] = (string?)call["call_id"], ["output"] = "Exit code: 0\nOutput:\na file\n",
        });
        Assert.Equal("The tool answered: a file", TextOf(await ResponsesAsync(input)));
    }

    [Fact]
    public async Task Responses_Write_IsAPatchInTheShell()
    {
        var input = new JsonArray(User("<environment_context>\n  <cwd>/w</cwd>\n</environment_context>"), User("@scenario write file=a.txt text=\"one\\ntwo\""));
        var call = (await ResponsesAsync(input)).Single(e => (string?)e["type"] == "response.output_item.done")["item"]!;
        Assert.Equal(
            "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: /w/a.txt\n+one\n+two\n*** End Patch\nEOF",
            (string?)JsonNode.Parse((string)call["arguments"]!)!["cmd"]);
    }

    [Fact]
    public async Task Responses_ParallelCalls_WithTheirResultsBetween_AreOneStep()
    {
        var input = new JsonArray(User("@scenario parallel n=2\n@scenario say text=after"));
        var calls = (await ResponsesAsync(input)).Where(e => (string?)e["type"] == "response.output_item.done").Select(e => e["item"]!).ToList();
        Assert.Equal(2, calls.Select(call => (string?)call["call_id"]).Distinct().Count());
        foreach (var call in calls)
        {
            input.Add(call.DeepClone());
            input.Add(new JsonObject { ["type"] = "function_call_output", ["call_id"] = (string?)call["call_id"], ["output"] = "done" });
        }

        Assert.EndsWith("after", TextOf(await ResponsesAsync(input)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Responses_Unicode_ArrivesUnharmed() =>
        Assert.Equal(Samples.Unicode, TextOf(await ResponsesAsync([User("@scenario unicode chunk=1")])));

    [Fact]
    public async Task Responses_Refusal_HasTheApisShape_AndTheQuotasEnd()
    {
        using var response = await SendAsync("/v1/responses", Body("input", [User("@scenario status code=429 type=usage_limit_reached resets_in=60")], stream: true));
        Assert.Equal(429, (int)response.StatusCode);
        var error = (await JsonAsync(response))["error"]!;
        Assert.Equal("usage_limit_reached", (string?)error["type"]);
        Assert.InRange((long)error["resets_at"]!, DateTimeOffset.UtcNow.ToUnixTimeSeconds(), DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 61);
        Assert.Equal(
            "The model answers again after 1 refusals with 429.",
            TextOf(await ResponsesAsync([User("@scenario status code=429 type=usage_limit_reached resets_in=60")])));
    }

    [Fact]
    public async Task Responses_StreamError_IsAFailedResponse()
    {
        var events = await ResponsesAsync([User("@scenario stream_error")]);
        Assert.Equal("response.failed", (string?)events[^1]["type"]);
        Assert.Equal("server_is_overloaded", (string?)events[^1]["response"]!["error"]!["code"]);
    }

    [Theory]
    [InlineData("""{"input":"x"}""")]
    [InlineData("""{"model":"m"}""")]
    [InlineData("""{"model":"m","input":[]}""")]
    [InlineData("""[1]""")]
    public async Task Responses_WrongBody_IsRefused(string body)
    {
        using var response = await SendAsync("/v1/responses", JsonNode.Parse(body)!);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("invalid_request_error", (string?)(await JsonAsync(response))["error"]!["type"]);
    }

    [Fact]
    public async Task Chat_TextAndCall_ComeInChunks()
    {
        using var response = await SendAsync("/v1/chat/completions", Body(
            "messages", [User("@scenario loop n=1 cmd=\"echo hi\"")], stream: true, "bash"));
        var lines = (await response.Content.ReadAsStringAsync(Deadline)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", lines[^1]);
        var chunks = lines[..^1].Select(line => JsonNode.Parse(line["data: ".Length..])!).ToList();
        var deltas = chunks.SelectMany(chunk => chunk["choices"]!.AsArray()).Select(choice => choice!["delta"]!).ToList();
        Assert.Equal("Round 1 of 1.", string.Concat(deltas.Select(delta => (string?)delta["content"])));
        var calls = deltas.Where(delta => delta["tool_calls"] is not null).Select(delta => delta["tool_calls"]![0]!).ToList();
        Assert.Equal("bash", (string?)calls[0]["function"]!["name"]);
        Assert.StartsWith("call_", (string?)calls[0]["id"], StringComparison.Ordinal);
        Assert.Equal("echo hi", (string?)JsonNode.Parse(string.Concat(calls.Select(call => (string?)call["function"]!["arguments"])))!["command"]);
        Assert.Equal("tool_calls", (string?)chunks[^2]["choices"]![0]!["finish_reason"]);
        Assert.True((int)chunks[^1]["usage"]!["completion_tokens"]! > 0);
    }

    [Fact]
    public async Task Chat_RequestForATitle_GetsThePlainSentence()
    {
        var messages = new JsonArray(
            new JsonObject { ["role"] = "system", ["content"] = "You are a title generator." }, User("@scenario slow chunks=1000 delay_ms=1000"));
        using var response = await SendAsync("/v1/chat/completions", Body("messages", messages, stream: false));
        Assert.Equal(Script.Plain, (string?)(await JsonAsync(response))["choices"]![0]!["message"]!["content"]);
    }

    private static JsonObject User(string text) => new() { ["role"] = "user", ["content"] = text };

    private static JsonObject Note(string text) => new() { ["role"] = "developer", ["content"] = text };

    private static JsonObject Body(string list, JsonArray items, bool stream, string tool = "exec_command") => new()
    {
        ["model"] = "scripted-model",
        ["stream"] = stream,
        ["tools"] = new JsonArray(new JsonObject { ["type"] = "function", ["name"] = tool, ["function"] = new JsonObject { ["name"] = tool } }),
        [list] = items.DeepClone(),
    };

    private static string TextOf(IEnumerable<JsonObject> events) =>
        string.Concat(events.Where(e => (string?)e["type"] == "response.output_text.delta").Select(e => (string?)e["delta"]));

    private async Task<List<JsonObject>> ResponsesAsync(JsonArray input)
    {
        using var response = await SendAsync("/v1/responses", Body("input", input, stream: true));
        response.EnsureSuccessStatusCode();
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        return await reader.ReadAllAsync(Deadline);
    }

    private async Task<HttpResponseMessage> SendAsync(string path, JsonNode body) =>
        await Client.PostAsync(path, JsonContent.Create(body), Deadline);
}
