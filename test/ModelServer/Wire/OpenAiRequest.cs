using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using Marionette.ModelServer.Http;

namespace Marionette.ModelServer.Wire;

/// <summary>Reads the bodies of <c>POST /v1/responses</c> and <c>POST /v1/chat/completions</c>.</summary>
internal static class OpenAiRequest
{
    /// <exception cref="ApiException">400 when the body is not JSON or a field is missing or of the wrong type.</exception>
    public static ModelRequest Responses(ReadOnlyMemory<byte> body) => Parse(body, root =>
        root.TryGetProperty("input", out var input) && input.ValueKind == JsonValueKind.String
            ? [new OpenAiItem(ItemKind.User, input.GetString()!)]
            : [.. List(root, "input").Select(ResponsesItem)]);

    /// <inheritdoc cref="Responses"/>
    public static ModelRequest Chat(ReadOnlyMemory<byte> body) => Parse(body, root => [.. List(root, "messages").SelectMany(ChatItems)]);

    private static ModelRequest Parse(ReadOnlyMemory<byte> body, Func<JsonElement, List<OpenAiItem>> read)
    {
        using var document = MessagesRequest.ParseJson(body);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object) throw ApiException.Invalid("request body: a JSON object is expected");
        var model = Text(root, "model");
        if (model.Length == 0) throw ApiException.Invalid("model: a text is required");
        var items = read(root);
        if (items.Count == 0) throw ApiException.Invalid("the conversation is empty");
        return new ModelRequest(
            model,
            root.TryGetProperty("stream", out var stream) && stream.ValueKind == JsonValueKind.True,
            body.Length,
            Convert.ToHexStringLower(SHA256.HashData(body.Span)),
            Text(root, "prompt_cache_key") is { Length: > 0 } session ? session : null,
            OpenAiConversation.Read(items, ToolsIn(root)))
        {
            Images = ModelRequest.ImagesIn(root, "input") + ModelRequest.ImagesIn(root, "messages"),
        };
    }

    private static JsonElement.ArrayEnumerator List(JsonElement root, string name) =>
        root.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array
            ? list.EnumerateArray()
            : throw ApiException.Invalid($"{name}: a list is required");

    private static OpenAiItem ResponsesItem(JsonElement item)
    {
        var type = Text(item, "type");
        return type switch
        {
            "message" or "" => Text(item, "role") switch
            {
                "assistant" => new OpenAiItem(ItemKind.Answer, Content(item, "content")),
                "user" => new OpenAiItem(ItemKind.User, Content(item, "content")),
                _ => new OpenAiItem(ItemKind.Note, Content(item, "content")),
            },
            _ when type.EndsWith("_output", StringComparison.Ordinal) =>
                new OpenAiItem(ItemKind.Outcome, Content(item, "output"), Text(item, "call_id")),
            "reasoning" or "item_reference" => new OpenAiItem(ItemKind.Note, ""),
            _ => new OpenAiItem(ItemKind.Answer, "", Text(item, "call_id")),
        };
    }

    private static IEnumerable<OpenAiItem> ChatItems(JsonElement message)
    {
        switch (Text(message, "role"))
        {
            case "assistant":
                var calls = message.TryGetProperty("tool_calls", out var list) && list.ValueKind == JsonValueKind.Array
                    ? list.EnumerateArray().Select(call => Text(call, "id")).ToList()
                    : [];
                return [new OpenAiItem(ItemKind.Answer, Content(message, "content"), calls.FirstOrDefault(""))];
            case "tool":
                return [new OpenAiItem(ItemKind.Outcome, Content(message, "content"), Text(message, "tool_call_id"))];
            case "user":
                return [new OpenAiItem(ItemKind.User, Content(message, "content"))];
            default:
                return [new OpenAiItem(ItemKind.Note, Content(message, "content"))];
        }
    }

    private static ImmutableHashSet<string> ToolsIn(JsonElement root) =>
        root.TryGetProperty("tools", out var tools) && tools.ValueKind == JsonValueKind.Array
            ? [.. tools.EnumerateArray().SelectMany(NamesIn).Where(n => n.Length > 0)]
            : [];

    // Tools of a namespace are called by both names: NAMESPACE.TOOL.
    private static IEnumerable<string> NamesIn(JsonElement tool)
    {
        if (Text(tool, "type") == "namespace" && tool.TryGetProperty("tools", out var inner) && inner.ValueKind == JsonValueKind.Array)
            return inner.EnumerateArray().Select(t => $"{Text(tool, "name")}.{Text(t, "name")}");
        return [tool.TryGetProperty("function", out var function) ? Text(function, "name") : Text(tool, "name")];
    }

    private static string Content(JsonElement item, string name)
    {
        if (!item.TryGetProperty(name, out var content)) return "";
        return content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Join('\n', content.EnumerateArray().Select(part => Text(part, "text")).Where(text => text.Length > 0)),
            _ => "",
        };
    }

    private static string Text(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";
}
