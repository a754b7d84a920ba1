using System.Globalization;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The processes of this machine as the kernel shows them.</summary>
internal static class ProcessTable
{
    /// <summary>Process ids below one, its children's children included.</summary>
    public static List<int> Below(int parent)
    {
        var parents = All().Select(pid => (Pid: pid, Parent: ParentOf(pid))).ToList();
        var found = new List<int>();
        for (var round = new List<int> { parent }; round.Count > 0;)
        {
            round = [.. parents.Where(entry => round.Contains(entry.Parent)).Select(entry => entry.Pid)];
            found.AddRange(round);
        }

        return found;
    }

    /// <summary>The claude process of an agent.</summary>
    public static int Claude(int agent) => Assert.Single(Below(agent), pid => Command(pid).Contains("stream-json", StringComparison.Ordinal));

    /// <summary>Processes whose command line or working directory names the text; never the caller itself.</summary>
    public static List<int> Naming(string text) =>
        [.. All().Where(pid => pid != Environment.ProcessId && (Command(pid).Contains(text, StringComparison.Ordinal) || WorkingDirectory(pid).Contains(text, StringComparison.Ordinal)))];

    /// <summary>The command line, arguments separated by blanks; empty for one that is gone.</summary>
    public static string Command(int pid) => Read($"/proc/{pid}/cmdline").Replace('\0', ' ');

    private static IEnumerable<int> All() =>
        Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, CultureInfo.InvariantCulture));

    private static int ParentOf(int pid)
    {
        var stat = Read($"/proc/{pid}/stat");
        var after = stat.LastIndexOf(')');
        return after < 0 || stat[after + 2] == 'Z' ? 0 : int.Parse(stat[(after + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private static string WorkingDirectory(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/cwd").LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
