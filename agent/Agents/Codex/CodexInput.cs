using System.Text.Json;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Files that belong to a prompt: images go to the model, the rest lies in the workspace and is named.</summary>
internal static class CodexInput
{
    /// <param name="owner">Id of the run or message that they belong to; their folder's name.</param>
    public static void WriteAttachments(Utf8JsonWriter json, IReadOnlyCollection<Attachment> attachments, string workspace, string owner)
    {
        if (attachments.Count == 0)
            return;
        var files = AttachedFiles.Store(attachments, workspace, owner);
        foreach (var (attachment, path) in attachments.Zip(files))
        {
            if (!attachment.MediaType.StartsWith("image/", StringComparison.Ordinal))
                continue;
            json.WriteStartObject();
            json.WriteString("type"u8, "localImage"u8);
            json.WriteString("path"u8, path);
            json.WriteEndObject();
        }

        CodexDriver.WriteText(json, AttachedFiles.Note(files));
    }
}
