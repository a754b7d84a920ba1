using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer.Tests;

/// <summary>Builds request bodies the way Claude Code 2.1 shapes them.</summary>
internal static class Requests
{
    public static readonly string[] Tools = ["Bash", "Write", "Read", "AskUserQuestion"];

    public static JsonObject Body(bool stream, params JsonObject[] messages) => new()
    {
        ["model"] = "claude-test",
        ["max_tokens"] = 1000,
        ["stream"] = stream,
        ["system"] = new JsonArray(TextBlock("You are an agent.")),
        ["tools"] = new JsonArray([.. Tools.Select(t => new JsonObject { ["name"] = t })]),
        ["messages"] = new JsonArray([.. messages.Select(m => m.DeepClone())]),
    };

    public static JsonObject User(params JsonObject[] blocks) => Message("user", blocks);

    public static JsonObject User(string text) => User(TextBlock(text));

    public static JsonObject Assistant(string text) => Message("assistant", TextBlock(text));

    public static JsonObject Note(string text) => Message("system", TextBlock(text));

    public static JsonObject Environment(string directory) =>
        Note($"# Environment\n - Primary working directory: {directory}\n - Platform: linux\n");

    public static JsonObject Result(string text, bool isError = false) => new()
    {
        ["type"] = "tool_result", ["tool_use_id"] = "toolu_1", ["content"] = text, ["is_error"] = isError,
    };

    public static JsonObject TextBlock(string text) => new() { ["type"] = "text", ["text"] = text };

    public static Conversation Read(params JsonObject[] messages)
    {
        using var document = JsonDocument.Parse(Body(true, messages).ToJsonString());
        return Conversation.Read(document.RootElement);
    }

    public static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, "application/json");

    private static JsonObject Message(string role, params JsonObject[] blocks) =>
        new() { ["role"] = role, ["content"] = new JsonArray([.. blocks]) };
}
