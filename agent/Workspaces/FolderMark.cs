using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Agent.Hosting;
using Marionette.Workspaces;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Whose work lies in the folders: a file in the agent's home. A provider may keep the folders of a session on its machine while the session goes on
/// elsewhere; the mark tells such leftovers from the newest state.
/// </summary>
/// <param name="Session">Session that wrote last.</param>
/// <param name="Epoch">Epoch of the runner that wrote last.</param>
internal sealed record FolderMark([property: JsonPropertyName("session")] string Session, [property: JsonPropertyName("epoch")] long Epoch)
{
    /// <summary>Name of the file.</summary>
    public const string FileName = ".marionette-runner";

    /// <summary>The mark, or null: there is none, or it cannot be read.</summary>
    public static FolderMark? Read(string home)
    {
        try
        {
            // The home is the driven agent's as well: a pipe in its place would be read for ever.
            var path = Path.Combine(home, FileName);
            return EntryStat.Read(Libc.AtCwd, Files.Terminated(path), Libc.AtSymlinkNoFollow, out var stat) && stat.IsFile
                ? JsonSerializer.Deserialize(File.ReadAllBytes(path), AgentJsonContext.Default.FolderMark) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Before the folders are changed by anybody but the agent: what lies there is nobody's until it is whole.</summary>
    /// <exception cref="IOException">It cannot be deleted.</exception>
    public static void Remove(string home)
    {
        var path = Path.Combine(home, FileName);
        if (File.Exists(path))
            File.Delete(path);
    }

    /// <summary>From here on the folders are this runner's.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string home)
    {
        Directory.CreateDirectory(home);
        var path = Path.Combine(home, FileName);
        File.WriteAllBytes(path + ".new", JsonSerializer.SerializeToUtf8Bytes(this, AgentJsonContext.Default.FolderMark));
        File.Move(path + ".new", path, overwrite: true);
    }
}
