namespace Marionette.Bench.Stack;

/// <summary>Agents of the process provider: they outlive their server on purpose, and the bench must not leave them behind.</summary>
internal static class RunnerProcesses
{
    /// <summary>Process of a runner that still lives; null when it has ended.</summary>
    public static int? PidOf(string dataDirectory, string runnerId)
    {
        // "pid start-time": a later process with the same number has another start time.
        if (!TryRead(Path.Combine(Folder(dataDirectory), runnerId, "pid"), out var mark) || mark.Split(' ', '\n') is not [var pid, var start, ..]) return null;
        return TryRead($"/proc/{pid}/stat", out var stat) && stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19] == start ? int.Parse(pid) : null;
    }

    /// <summary>Runners that have a folder, whether their process lives or not.</summary>
    public static int Count(string dataDirectory) => Directory.Exists(Folder(dataDirectory)) ? Directory.EnumerateDirectories(Folder(dataDirectory)).Count() : 0;

    public static void EndAll(string dataDirectory)
    {
        if (!Directory.Exists(Folder(dataDirectory))) return;
        foreach (var pid in Directory.EnumerateDirectories(Folder(dataDirectory)).Select(folder => PidOf(dataDirectory, Path.GetFileName(folder))).OfType<int>())
            ServerProcess.Signal(pid, ServerProcess.SigKill);
    }

    private static string Folder(string dataDirectory) => Path.Combine(dataDirectory, "runners");

    private static bool TryRead(string file, out string text)
    {
        try
        {
            text = File.ReadAllText(file);
            return true;
        }
        catch (IOException)
        {
            text = "";
            return false;
        }
    }
}
