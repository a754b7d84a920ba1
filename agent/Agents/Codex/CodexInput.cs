using System.Text.Json;
using Marionette.Agent.Agents.Input;
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
        var files = AttachmentStore.Store(workspace, owner, attachments);
        foreach (var file in files)
        {
            if (!file.MediaType.StartsWith("image/", StringComparison.Ordinal))
                continue;
            json.WriteStartObject();
            json.WriteString("type"u8, "localImage"u8);
            json.WriteString("path"u8, file.Path);
            json.WriteEndObject();
        }

        if (AttachmentStore.Note(files) is { } note)
            CodexDriver.WriteText(json, note);
    }
}
