using System.Text;

namespace Marionette.Silo.Database.Embedded;

/// <summary>
/// What the system knows of a postmaster, PostgreSQL's parent process. It is never our child, so /proc has to tell;
/// and only what /proc shows to everybody, since root in a container may not look into another user's processes.
/// </summary>
internal static class PostmasterProcess
{
    /// <summary>The pid in the first line of postmaster.pid; null: no such file, or not yet written.</summary>
    public static int? ReadPid(ClusterLayout layout)
    {
        try
        {
            using var reader = new StreamReader(layout.PostmasterPidFile);
            return int.TryParse(reader.ReadLine(), out var pid) ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// The pid of the living postmaster of this cluster; null: none. A pid that now is another program's is none.
    /// </summary>
    public static int? Find(ClusterLayout layout) =>
        ReadPid(layout) is { } pid && IsAlive(pid) && IsPostmaster(CommandLine(pid), layout) ? pid : null;

    /// <summary>Whether the process runs. A zombie, which nobody may ever collect in a container, does not.</summary>
    public static bool IsAlive(int pid)
    {
        try
        {
            // "pid (name) state …"; the name may contain anything, so read from its closing bracket on.
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether any PostgreSQL process works in this cluster. Backends outlive a killed postmaster for a moment.
    /// </summary>
    public static bool AnyIn(ClusterLayout layout) => Directory.EnumerateDirectories("/proc")
        .Select(Path.GetFileName)
        .Any(name => int.TryParse(name, out var pid) && CommandLine(pid) is var command &&
            (IsPostmaster(command, layout) || IsBackend(command, layout)));

    // Started as `postgres -D folder …`.
    private static bool IsPostmaster(string[] command, ClusterLayout layout) =>
        Array.IndexOf(command, "-D") is > 0 and var at && at + 1 < command.Length &&
        command[at + 1] == layout.DataDirectory && Path.GetFileName(command[0]) is "postgres";

    // The other processes overwrite their command line with a title that begins with the cluster's name.
    private static bool IsBackend(string[] command, ClusterLayout layout) =>
        command is [var title, ..] && title.StartsWith($"postgres: {layout.ClusterName}: ", StringComparison.Ordinal);

    private static string[] CommandLine(int pid)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/cmdline"))
                .Split('\0', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
