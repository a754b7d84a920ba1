namespace Marionette.Agent.Agents.Codex;

/// <summary>
/// Codex's folder in the session's home. Its index of threads (<c>state_N.sqlite</c>) holds absolute paths: in a home that came from
/// another place it points nowhere, and Codex would not find its own conversations. It makes the index again from the conversations'
/// files, so an index from elsewhere is thrown away.
/// </summary>
internal static class CodexHome
{
    private const string Marker = ".marionette-home";

    /// <returns>The folder, which Codex does not make itself when it is named.</returns>
    /// <exception cref="AgentStartException">It cannot be made.</exception>
    public static string Make(string home)
    {
        var folder = Path.Combine(home, ".codex");
        try
        {
            Directory.CreateDirectory(folder);
            var marker = Path.Combine(folder, Marker);
            if (File.Exists(marker) && File.ReadAllText(marker) == folder)
                return folder;
            foreach (var index in Directory.EnumerateFiles(folder, "state_*.sqlite*"))
                File.Delete(index);
            File.WriteAllText(marker, folder);
            return folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new AgentStartException(ErrorCodes.WorkspaceUnavailable, exception.Message);
        }
    }
}
