using System.Text.Json;
using Marionette.Agent.Agents.Input;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Content blocks of a message to Claude.</summary>
internal static class ClaudePrompt
{
    // What the model's API takes as an image, and how much of it.
    private static readonly string[] ImageTypes = ["image/png", "image/jpeg", "image/gif", "image/webp"];
    private const int LargestImage = 3 * 1024 * 1024;

    /// <summary>Images first, as the model's makers advise, then the text, then where the files lie.</summary>
    public static IReadOnlyList<Action<Utf8JsonWriter>> Blocks(string text, IReadOnlyList<StoredAttachment> files, string? note = null)
    {
        var blocks = new List<Action<Utf8JsonWriter>>();
        blocks.AddRange(files.Where(IsImage).Select(file => (Action<Utf8JsonWriter>)(json => Image(json, file))));
        if (text.Length > 0 || files.Count == 0)
            blocks.Add(json => Text(json, text));
        if (AttachmentStore.Note(files) is { } paths)
            blocks.Add(json => Text(json, paths));
        if (note is not null)
            blocks.Add(json => Text(json, note));
        return blocks;
    }

    private static bool IsImage(StoredAttachment file) =>
        ImageTypes.Contains(file.MediaType) && file.Content.Length is > 0 and <= LargestImage;

    private static void Text(Utf8JsonWriter json, string text)
    {
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
    }

    private static void Image(Utf8JsonWriter json, StoredAttachment file)
    {
        json.WriteString("type"u8, "image"u8);
        json.WriteStartObject("source"u8);
        json.WriteString("type"u8, "base64"u8);
        json.WriteString("media_type"u8, file.MediaType);
        json.WriteBase64String("data"u8, file.Content.Span);
        json.WriteEndObject();
    }
}
