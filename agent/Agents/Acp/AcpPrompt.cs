using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents.Input;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <summary>A task as content blocks of the protocol.</summary>
internal static class AcpPrompt
{
    private const int MaxEmbedded = 256 * 1024;

    /// <param name="knowsPart">The conversation holds an earlier part of this task.</param>
    public static IReadOnlyList<Action<Utf8JsonWriter>> Of(StartRun run, bool knowsPart, AcpAbilities abilities, string workspace)
    {
        List<Action<Utf8JsonWriter>> blocks = [json => WriteText(json, run.Prompt)];
        if (run.Attachments.Count > 0)
        {
            var files = AttachmentStore.Store(workspace, run.Run, run.Attachments);
            foreach (var file in files)
            {
                if (abilities.Images && file.MediaType.StartsWith("image/", StringComparison.Ordinal))
                    blocks.Add(json => WriteImage(json, file));
                else if (abilities.Embedded && file.MediaType.StartsWith("text/", StringComparison.Ordinal) && file.Content.Length <= MaxEmbedded)
                    blocks.Add(json => WriteResource(json, file));
                else
                    blocks.Add(json => WriteLink(json, file));
            }

            if (AttachmentStore.Note(files) is { } note)
                blocks.Add(json => WriteText(json, note));
        }

        if (knowsPart)
            blocks.Add(json => WriteText(json, Continuation.Note));
        return blocks;
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
        json.WriteEndObject();
    }

    private static void WriteImage(Utf8JsonWriter json, StoredAttachment file)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "image"u8);
        json.WriteString("mimeType"u8, file.MediaType);
        json.WriteString("uri"u8, UriOf(file.Path));
        json.WriteBase64String("data"u8, file.Content.Span);
        json.WriteEndObject();
    }

    private static void WriteResource(Utf8JsonWriter json, StoredAttachment file)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "resource"u8);
        json.WriteStartObject("resource"u8);
        json.WriteString("uri"u8, UriOf(file.Path));
        json.WriteString("mimeType"u8, file.MediaType);
        json.WriteString("text"u8, Encoding.UTF8.GetString(file.Content.Span));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteLink(Utf8JsonWriter json, StoredAttachment file)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "resource_link"u8);
        json.WriteString("uri"u8, UriOf(file.Path));
        json.WriteString("name"u8, Path.GetFileName(file.Path));
        if (file.MediaType.Length > 0)
            json.WriteString("mimeType"u8, file.MediaType);
        json.WriteEndObject();
    }

    private static string UriOf(string path) => new Uri(path).AbsoluteUri;
}
