using System.Text;

namespace Marionette.Agent.Agents.Claude;

/// <summary>Claude Code's conversation files: <c>HOME/.claude/projects/FOLDER/ID.jsonl</c>, FOLDER made of the working directory.</summary>
internal static class ClaudeConversations
{
    /// <summary>
    /// Makes a conversation of this home known to the given workspace. A session that came from another folder brings its file
    /// under that folder's name; Claude finds only what lies under the name of the present one.
    /// </summary>
    /// <returns>False when the home has no such conversation.</returns>
    public static bool Adopt(string home, string workspace, string conversation)
    {
        if (!Guid.TryParse(conversation, out _))
            return false;
        var projects = Path.Combine(home, ".claude", "projects");
        var wanted = Path.Combine(projects, FolderName(workspace), conversation + ".jsonl");
        if (File.Exists(wanted))
            return true;
        if (!Directory.Exists(projects))
            return false;
        var found = Directory.EnumerateFiles(projects, conversation + ".jsonl", new EnumerationOptions
        {
            RecurseSubdirectories = true,
            MaxRecursionDepth = 1,
        }).MaxBy(File.GetLastWriteTimeUtc);
        if (found is null)
            return false;
        Directory.CreateDirectory(Path.GetDirectoryName(wanted)!);
        File.Copy(found, wanted);
        return true;
    }

    /// <summary>The folder's name: every character that is no ASCII letter or digit becomes a dash.</summary>
    public static string FolderName(string workspace)
    {
        var name = new StringBuilder(workspace.Length);
        foreach (var character in RealPath(workspace))
            name.Append(char.IsAsciiLetterOrDigit(character) ? character : '-');
        return name.ToString();
    }

    // Claude asks the system for its directory, and the system answers without links.
    private static string RealPath(string path)
    {
        var real = "/";
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            if (Directory.Exists(real))
                real = Directory.ResolveLinkTarget(real, returnFinalTarget: true)?.FullName ?? real;
        }

        return real;
    }
}
