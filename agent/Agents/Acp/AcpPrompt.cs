using System.Text;
using System.Text.Json;
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
            var files = AttachedFiles.Store(run.Attachments, workspace, run.Run);
            foreach (var (attachment, path) in run.Attachments.Zip(files))
            {
                if (abilities.Images && attachment.MediaType.StartsWith("image/", StringComparison.Ordinal))
                    blocks.Add(json => WriteImage(json, attachment, path));
                else if (abilities.Embedded && attachment.MediaType.StartsWith("text/", StringComparison.Ordinal) && attachment.Content.Length <= MaxEmbedded)
                    blocks.Add(json => WriteResource(json, attachment, path));
                else
                    blocks.Add(json => WriteLink(json, attachment, path));
            }

            blocks.Add(json => WriteText(json, AttachedFiles.Note(files)));
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

    private static void WriteImage(Utf8JsonWriter json, Attachment attachment, string path)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "image"u8);
        json.WriteString("mimeType"u8, attachment.MediaType);
        json.WriteString("uri"u8, UriOf(path));
        json.WriteBase64String("data"u8, attachment.Content.Span);
        json.WriteEndObject();
    }

    private static void WriteResource(Utf8JsonWriter json, Attachment attachment, string path)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "resource"u8);
        json.WriteStartObject("resource"u8);
        json.WriteString("uri"u8, UriOf(path));
        json.WriteString("mimeType"u8, attachment.MediaType);
        json.WriteString("text"u8, Encoding.UTF8.GetString(attachment.Content.Span));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteLink(Utf8JsonWriter json, Attachment attachment, string path)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "resource_link"u8);
        json.WriteString("uri"u8, UriOf(path));
        json.WriteString("name"u8, attachment.Name);
        if (attachment.MediaType.Length > 0)
            json.WriteString("mimeType"u8, attachment.MediaType);
        json.WriteEndObject();
    }

    private static string UriOf(string path) => new Uri(path).AbsoluteUri;
}
