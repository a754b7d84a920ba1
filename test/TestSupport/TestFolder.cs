using System.Diagnostics;
using System.Security.Cryptography;

namespace Marionette.TestSupport;

/// <summary>
/// Temporary folders with a short path, each named after the process that made it. A test run that was killed cannot
/// clean up, so the next one does: it ends the database servers that were left in such folders and deletes them.
/// </summary>
public static class TestFolder
{
    private const string Prefix = "mnt-";
    private const string Memory = "/dev/shm";
    private const long EnoughMemory = 4L << 30;

    private static readonly Lazy<string> DiskRoot = new(() => CreateRoot(Path.GetTempPath()));
    private static readonly Lazy<string> MemoryRoot = new(() => CreateRoot(Memory));

    /// <summary>A new, empty folder.</summary>
    public static string Create() => CreateIn(DiskRoot.Value);

    /// <summary>
    /// A new, empty folder in memory where the machine has plenty, for data that many tests share and none crashes.
    /// </summary>
    public static string CreateFast() => CreateIn(
        Directory.Exists(Memory) && new DriveInfo(Memory).AvailableFreeSpace > EnoughMemory ? MemoryRoot.Value : DiskRoot.Value);

    /// <summary>
    /// Deletes a folder and what is in it; a server that still shuts down may be writing, hence the patience.
    /// </summary>
    public static void Delete(string folder)
    {
        for (var attempt = 1; Directory.Exists(folder); attempt++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (IOException) when (attempt < 50)
            {
                Thread.Sleep(100);
            }
        }
    }

    private static string CreateIn(string root) => Directory.CreateDirectory(
        Path.Combine(root, RandomNumberGenerator.GetHexString(6, lowercase: true))).FullName;

    private static string CreateRoot(string parent)
    {
        foreach (var old in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            if (!int.TryParse(Path.GetFileName(old)[Prefix.Length..], out var pid) || Directory.Exists($"/proc/{pid}")) continue;
            try
            {
                KillServers(old);
                Delete(old);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another user's: theirs to clean up.
            }
        }

        // Passable, so that a database server run by another user reaches its folder.
        var root = Path.Combine(parent, Prefix + Environment.ProcessId);
        Directory.CreateDirectory(root);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Delete(root);
        return root;
    }

    private static void KillServers(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "postmaster.pid", SearchOption.AllDirectories))
        {
            if (!int.TryParse(File.ReadLines(file).First(), out var pid)) continue;
            // The pid may have gone to another program since; ours has its folder on its command line.
            if (!File.Exists($"/proc/{pid}/cmdline") || !File.ReadAllText($"/proc/{pid}/cmdline").Contains(folder)) continue;
            using var server = Process.GetProcessById(pid);
            server.Kill();
            server.WaitForExit(5000);
        }
    }
}
