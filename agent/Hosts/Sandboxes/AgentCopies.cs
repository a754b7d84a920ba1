using System.Security.Cryptography;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Copies of the agent's program, one for each version: an upgrade of the daemon leaves what runs alone.</summary>
internal sealed class AgentCopies(HostFolders folders, string binary)
{
    // A build that is not one native file has its code beside it.
    private const string Managed = ".dll";

    private readonly Lazy<string> current = new(() => Make(Path.Combine(folders.State, "bin"), binary));

    /// <summary>Folder of this version's copy.</summary>
    public string Folder => current.Value;

    /// <summary>This version's program.</summary>
    public string Binary => Path.Combine(Folder, Path.GetFileName(InsidePaths.Agent));

    /// <summary>Removes copies that nobody uses.</summary>
    public void Clean(IReadOnlySet<string> used)
    {
        foreach (var folder in Directory.GetDirectories(Path.Combine(folders.State, "bin")))
        {
            if (folder == Folder || used.Contains(folder))
                continue;
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // The next start tries again.
            }
        }
    }

    private static string Make(string into, string binary)
    {
        var beside = binary + Managed;
        var isManaged = File.Exists(beside);
        string hash;
        using (var content = File.OpenRead(isManaged ? beside : binary))
            hash = Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 12));
        var folder = Path.Combine(into, hash);
        if (Directory.Exists(folder))
            return folder;
        var fresh = Path.Combine(into, hash + ".new");
        if (Directory.Exists(fresh))
            Directory.Delete(fresh, recursive: true);
        Directory.CreateDirectory(fresh);
        foreach (var file in isManaged ? Directory.GetFiles(Path.GetDirectoryName(Path.GetFullPath(binary))!) : [binary])
        {
            var name = file == binary ? Path.GetFileName(InsidePaths.Agent) : Path.GetFileName(file);
            File.Copy(file, Path.Combine(fresh, name));
            File.SetUnixFileMode(Path.Combine(fresh, name), (UnixFileMode)0b111_101_101);
        }

        File.SetUnixFileMode(fresh, (UnixFileMode)0b111_101_101);
        Directory.Move(fresh, folder);
        return folder;
    }
}
