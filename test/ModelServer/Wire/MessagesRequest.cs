using System.Security.Cryptography;
using System.Text.Json;
using Marionette.ModelServer.Http;

namespace Marionette.ModelServer.Wire;

/// <summary>Reads a body of <c>POST /v1/messages</c> or of its <c>count_tokens</c>.</summary>
internal static class MessagesRequest
{
    /// <exception cref="ApiException">400 when the body is not JSON or a field is missing or of the wrong type.</exception>
    public static ModelRequest Parse(ReadOnlyMemory<byte> body, bool needsMaxTokens)
    {
        using var document = ParseJson(body);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object) throw ApiException.Invalid("request body: a JSON object is expected");

        var model = Required(root, "model", JsonValueKind.String).GetString()!;
        if (model.Length == 0) throw ApiException.Invalid("model: String should have at least 1 character");
        if (needsMaxTokens
            && (!Required(root, "max_tokens", JsonValueKind.Number).TryGetInt64(out var limit) || limit < 1))
        {
            throw ApiException.Invalid("max_tokens: Input should be greater than or equal to 1");
        }

        CheckMessages(Required(root, "messages", JsonValueKind.Array));
        return new ModelRequest(
            model,
            root.TryGetProperty("stream", out var stream) && stream.ValueKind == JsonValueKind.True,
            body.Length,
            Convert.ToHexStringLower(SHA256.HashData(body.Span)),
            SessionIn(root),
            Conversation.Read(root))
        {
            Images = ModelRequest.ImagesIn(root, "messages"),
        };
    }

    public static JsonDocument ParseJson(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            throw ApiException.Invalid("The request body is not valid JSON");
        }
    }

    private static void CheckMessages(JsonElement messages)
    {
        if (messages.GetArrayLength() == 0) throw ApiException.Invalid("messages: at least one message is required");
        var index = 0;
        foreach (var message in messages.EnumerateArray())
        {
            var at = $"messages.{index++}";
            if (message.ValueKind != JsonValueKind.Object) throw ApiException.Invalid($"{at}: an object is expected");
            var role = Required(message, "role", JsonValueKind.String, at).GetString();
            if (role is not ("user" or "assistant" or "system"))
                throw ApiException.Invalid($"{at}.role: Input should be 'user', 'assistant' or 'system'");
            if (!message.TryGetProperty("content", out var content))
                throw ApiException.Invalid($"{at}.content: Field required");
            if (content.ValueKind is not (JsonValueKind.String or JsonValueKind.Array))
                throw ApiException.Invalid($"{at}.content: Input should be a string or a list of blocks");
        }
    }

    private static JsonElement Required(JsonElement parent, string name, JsonValueKind kind, string? at = null)
    {
        var path = at is null ? name : $"{at}.{name}";
        if (!parent.TryGetProperty(name, out var value)) throw ApiException.Invalid($"{path}: Field required");
        return value.ValueKind == kind
            ? value
            : throw ApiException.Invalid($"{path}: Input should be a {kind.ToString().ToLowerInvariant()}");
    }

    /// <summary>Claude Code puts a JSON text into <c>user_id</c>; other callers put anything.</summary>
    private static string? SessionIn(JsonElement root)
    {
        if (!root.TryGetProperty("metadata", out var metadata) || metadata.ValueKind != JsonValueKind.Object
            || !metadata.TryGetProperty("user_id", out var user) || user.ValueKind != JsonValueKind.String) return null;
        try
        {
            using var inner = JsonDocument.Parse(user.GetString()!);
            return inner.RootElement.ValueKind == JsonValueKind.Object
                && inner.RootElement.TryGetProperty("session_id", out var id) && id.ValueKind == JsonValueKind.String
                ? id.GetString()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
