using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents;

/// <summary>Puts attachments where the agent can read them: <c>.marionette/attachments/OWNER/NAME</c> in the workspace.</summary>
internal static class AttachedFiles
{
    /// <param name="owner">Id of the run or message that they belong to.</param>
    /// <returns>Absolute paths, in order.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Store(IEnumerable<Attachment> attachments, string workspace, string owner)
    {
        var folder = Path.Combine(workspace, ".marionette", "attachments", owner);
        Directory.CreateDirectory(folder);
        var paths = new List<string>();
        foreach (var attachment in attachments)
        {
            // Names come from outside: only their last part counts.
            var name = Path.GetFileName(attachment.Name);
            var path = Path.Combine(folder, name is "" or "." or ".." ? $"attachment-{paths.Count + 1}" : name);
            using (var file = File.Create(path))
                file.Write(attachment.Content.Span);
            paths.Add(path);
        }

        return paths;
    }

    /// <summary>Tells the agent of them.</summary>
    public static string Note(IEnumerable<string> paths) => "Attached files:\n" + string.Join('\n', paths.Select(path => "- " + path));
}
