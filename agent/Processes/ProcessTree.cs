using System.Globalization;

namespace Marionette.Agent.Processes;

/// <summary>Reads /proc. A pid alone names nothing for long, so every process is known by its pid and start time.</summary>
internal static class ProcessTree
{
    private const int ParentField = 1;
    private const int StartTimeField = 19;

    /// <summary>Start time of a process in clock ticks since boot; null when there is none.</summary>
    public static long? StartTime(int pid) => Fields(pid) is { } fields ? Number(fields[StartTimeField]) : null;

    /// <summary>Whether a process is one that somebody has to reap yet; nothing runs in it any more.</summary>
    public static bool HasEnded(int pid) => Fields(pid) is ["Z" or "X", ..];

    /// <summary>Children of a process that have ended and wait to be reaped.</summary>
    public static IEnumerable<int> EndedChildren(int parent)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && Fields(pid) is ["Z", ..] fields && Number(fields[ParentField]) == parent)
                yield return pid;
        }
    }

    /// <summary>Every process below <paramref name="root"/>, children first.</summary>
    public static IReadOnlyList<(int Pid, long StartTime)> Below(int root)
    {
        var children = new Dictionary<int, List<(int, long)>>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || Fields(pid) is not { } fields)
                continue;
            var parent = (int)Number(fields[ParentField]);
            if (!children.TryGetValue(parent, out var list))
                children[parent] = list = [];
            list.Add((pid, Number(fields[StartTimeField])));
        }

        var found = new List<(int Pid, long StartTime)>();
        var open = new Queue<int>([root]);
        while (open.TryDequeue(out var next))
        {
            if (!children.Remove(next, out var list))
                continue;
            found.AddRange(list);
            foreach (var (pid, _) in list)
                open.Enqueue(pid);
        }

        return found;
    }

    /// <summary>Kills a process and its group when it is still the one that is meant.</summary>
    /// <returns>Whether it was there.</returns>
    public static bool KillIfSame(int pid, long startTime)
    {
        if (pid <= 1 || StartTime(pid) != startTime)
            return false;
        _ = Libc.Kill(-pid, Libc.SigKill);
        _ = Libc.Kill(pid, Libc.SigKill);
        return true;
    }

    // The second field is the program's name in brackets and may hold anything: what counts starts after the last one.
    private static string[]? Fields(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields.Length > StartTimeField ? fields : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long Number(string field) => long.Parse(field, CultureInfo.InvariantCulture);
}
