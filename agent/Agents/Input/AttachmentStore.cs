using System.Text;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Input;

/// <summary>A file that came with a prompt, as it lies in the workspace.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="MediaType">"image/png"; empty when nobody said.</param>
internal sealed record StoredAttachment(string Path, string MediaType, ReadOnlyMemory<byte> Content);

/// <summary>
/// Writes what came with a prompt to <c>.marionette/attachments/RUN/NAME</c> of the workspace, where any agent can read it and
/// git does not see it. Nothing is ever written outside of that folder or over another file.
/// </summary>
internal static class AttachmentStore
{
    private const string Folder = ".marionette";
    private const int LongestName = 128;

    /// <param name="workspace">The agent's working directory.</param>
    /// <param name="run">Run whose files they are.</param>
    /// <exception cref="AgentStartException">workspace_unavailable: they cannot be written.</exception>
    public static IReadOnlyList<StoredAttachment> Store(string workspace, string run, IEnumerable<Attachment> attachments)
    {
        var stored = new List<StoredAttachment>();
        try
        {
            foreach (var attachment in attachments)
            {
                var folder = Open(workspace, SafeName(run));
                stored.Add(new StoredAttachment(
                    Write(folder, SafeName(attachment.Name), attachment.Content.Span), attachment.MediaType, attachment.Content.Memory));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, $"An attached file cannot be written: {exception.Message}");
        }

        return stored;
    }

    /// <summary>What the agent is told of them; null when there are none.</summary>
    public static string? Note(IReadOnlyList<StoredAttachment> stored)
    {
        if (stored.Count == 0)
            return null;
        var note = new StringBuilder("Attached files:");
        foreach (var file in stored)
        {
            var type = file.MediaType.Length > 0 ? $"{file.MediaType}, " : "";
            note.Append($"\n- {file.Path} ({type}{file.Content.Length} bytes)");
        }

        return note.ToString();
    }

    /// <summary>A file name of letters, digits and <c>._- </c> that is no folder, no hidden file and not too long.</summary>
    public static string SafeName(string name)
    {
        var safe = new StringBuilder(name.Length);
        foreach (var letter in name.EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(letter) || letter.Value is '.' or '_' or '-' or ' ')
                safe.Append(letter);
            else
                safe.Append('_');
        }

        var text = safe.ToString().Trim().TrimStart('.');
        while (Encoding.UTF8.GetByteCount(text) > LongestName)
            text = text[(char.IsHighSurrogate(text[0]) ? 2 : 1)..]; // the end has the extension
        return text.Length > 0 ? text : "file";
    }

    private static string Open(string workspace, string run)
    {
        var folder = workspace;
        foreach (var part in new[] { Folder, "attachments", run })
        {
            folder = Path.Combine(folder, part);
            // A link here, made by an agent or by a repository, would lead the writing anywhere.
            if (new FileInfo(folder).LinkTarget is not null)
                throw new IOException($"{folder} is a link.");
            Directory.CreateDirectory(folder);
        }

        var ignore = Path.Combine(workspace, Folder, ".gitignore");
        if (new FileInfo(ignore).LinkTarget is null && !File.Exists(ignore))
            File.WriteAllText(ignore, "*\n");
        return folder;
    }

    // The same file may come twice: a run that is tried again brings its attachments again.
    private static string Write(string folder, string name, ReadOnlySpan<byte> content)
    {
        for (var number = 1; ; number++)
        {
            var path = Path.Combine(folder, number == 1
                ? name
                : $"{Path.GetFileNameWithoutExtension(name)}-{number}{Path.GetExtension(name)}");
            try
            {
                using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
                file.Write(content);
                return path;
            }
            catch (IOException) when (Path.Exists(path))
            {
                if (File.Exists(path) && new FileInfo(path) is { LinkTarget: null } info && info.Length == content.Length
                    && File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
                    return path;
            }
        }
    }
}
