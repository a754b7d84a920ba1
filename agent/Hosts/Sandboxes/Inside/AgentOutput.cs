namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// What an agent writes, for whoever looks for trouble: the newest mebibyte or two. Whatever happens to its files, who writes goes on: a reader that
/// stopped for the log's sake would stop the agent.
/// </summary>
internal sealed class AgentOutput(string path) : IDisposable
{
    public const string FileName = "agent.log";

    private const int Most = 1 << 20;

    private FileStream? file;

    /// <summary>Writes it down, or does without where that fails.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            if (file is null || file.Length > Most)
                Turn();
            file!.Write(bytes);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // The host's disk is full, or worse: the next one tries again.
        }
    }

    public void Dispose() => file?.Dispose();

    // The next file is there before the one before it goes.
    private void Turn()
    {
        if (file is null)
        {
            file = Open(path, FileMode.Append);
            return;
        }

        var fresh = Open(path + ".new", FileMode.Create);
        try
        {
            if (File.Exists(path))
                File.Move(path, path + ".1", overwrite: true);
            File.Move(path + ".new", path);
        }
        catch
        {
            fresh.Dispose();
            throw;
        }

        file.Dispose();
        file = fresh;
    }

    // Unbuffered: what could not be written is not tried again at a time when nobody expects it.
    private static FileStream Open(string path, FileMode mode) => new(path, new FileStreamOptions
    {
        Mode = mode,
        Access = FileAccess.Write,
        Share = FileShare.Read | FileShare.Delete,
        BufferSize = 0,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });
}
