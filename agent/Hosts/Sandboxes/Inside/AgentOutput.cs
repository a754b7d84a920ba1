namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What an agent writes, for whoever looks for trouble: the newest mebibyte or two.</summary>
internal sealed class AgentOutput(string path) : IDisposable
{
    public const string FileName = "agent.log";

    private const int Most = 1 << 20;

    private FileStream file = Open(path);

    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            if (file.Length > Most)
            {
                file.Dispose();
                File.Move(path, path + ".1", overwrite: true);
                file = Open(path);
            }

            file.Write(bytes);
            file.Flush();
        }
        catch (IOException)
        {
            // The host's disk is full: the runner goes on without its log.
        }
    }

    public void Dispose() => file.Dispose();

    private static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.Read | FileShare.Delete,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });
}
