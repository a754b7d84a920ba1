namespace Marionette.Gateway.Workspaces;

/// <summary>The folder of a chunk store, before anything is stored in it.</summary>
public static class ChunkFolder
{
    /// <summary>
    /// Makes it, for its owner alone, where it is not there, and tries whether it can be written: better told at the start than by the first checkpoint.
    /// </summary>
    /// <exception cref="IOException">It cannot; the message is one line and names the folder.</exception>
    public static void Prepare(string folder)
    {
        var probe = Path.Combine(folder, $".probe-{Environment.ProcessId}-{Guid.NewGuid():n}");
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder} cannot be written: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
