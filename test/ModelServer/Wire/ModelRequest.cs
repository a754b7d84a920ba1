using System.Text.Json;

namespace Marionette.ModelServer.Wire;

/// <summary>A checked request for one answer, whichever API it came by.</summary>
/// <param name="Model">The model asked for; echoed in the answer.</param>
/// <param name="Stream">Whether server-sent events are wanted.</param>
/// <param name="Length">Length of the body in bytes.</param>
/// <param name="Fingerprint">Hex digits that name this body; ids in the answer derive from them.</param>
/// <param name="BodySession">Session id inside the body, or null.</param>
/// <param name="Conversation">What the scenarios look at.</param>
internal sealed record ModelRequest(
    string Model,
    bool Stream,
    int Length,
    string Fingerprint,
    string? BodySession,
    Conversation Conversation)
{
    /// <summary>Pictures in the whole conversation.</summary>
    public int Images { get; init; }

    /// <summary>The parts of messages that are pictures, by whichever API's name of them.</summary>
    public static int ImagesIn(JsonElement root, string messages)
    {
        if (!root.TryGetProperty(messages, out var list) || list.ValueKind != JsonValueKind.Array) return 0;
        return list.EnumerateArray().Sum(message =>
            message.ValueKind == JsonValueKind.Object && message.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.Array
                ? content.EnumerateArray().Count(IsImage)
                : 0);
    }

    private static bool IsImage(JsonElement part) =>
        part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type)
        && type.ValueKind == JsonValueKind.String && (type.GetString() is "image" or "input_image" or "image_url");
}
