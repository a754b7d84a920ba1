using System.Runtime.InteropServices;

namespace Marionette.Providers.Processes;

/// <summary>
/// A process that cannot be mistaken for a later one with the same pid: the start time, in clock ticks since boot, is field 22 of
/// /proc/PID/stat (proc(5)).
/// </summary>
internal sealed record ProcessIdentity(int Pid, long StartTicks)
{
    private const int SigTerm = 15, SigKill = 9;

    /// <summary>The identity of a live process; null when there is none. A zombie counts as ended.</summary>
    public static ProcessIdentity? Of(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The second field is the command in brackets and may hold anything, so count from its last bracket.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields[0] is "Z" or "X" ? null : new ProcessIdentity(pid, long.Parse(fields[19]));
    }

    public bool IsAlive => Of(Pid) == this;

    /// <summary>Asks the process to end.</summary>
    public void Terminate()
    {
        if (IsAlive) _ = Kill(Pid, SigTerm);
    }

    /// <summary>Ends it and everything in its session's process group.</summary>
    public void KillGroup()
    {
        if (!IsAlive) return;
        _ = Kill(-Pid, SigKill);
        _ = Kill(Pid, SigKill);
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
