namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Files that are there whole or not at all, for their owner alone.</summary>
internal static class WholeFile
{
    public static void Write(string path, byte[] content)
    {
        var fresh = path + ".new";
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using (var file = new FileStream(fresh, options))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(fresh, path, overwrite: true);
    }
}
