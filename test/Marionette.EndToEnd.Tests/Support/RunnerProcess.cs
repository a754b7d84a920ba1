using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>The processes of a session's runner, as this host sees them.</summary>
internal static class RunnerProcess
{
    /// <summary>The folder of a session's runner.</summary>
    public static string Folder(string dataDirectory, JsonElement session) => Path.Combine(dataDirectory, "runners", session.GetProperty("runner_id").GetString()!);

    /// <summary>The agent of a session's runner.</summary>
    public static async Task<int> AgentAsync(string dataDirectory, Api api, string session) =>
        PidOf(Folder(dataDirectory, await api.GetAsync($"/api/v1/sessions/{session}"))) ?? throw new InvalidOperationException("The session's runner has no process.");

    /// <summary>The agent of a runner's folder; null while there is none.</summary>
    public static int? PidOf(string folder)
    {
        var file = Path.Combine(folder, "pid");
        return File.Exists(file) && int.TryParse(File.ReadAllText(file).Split(' ')[0], out var pid) && IsAlive(pid) ? pid : null;
    }

    /// <summary>Whether an agent lives that works in a workspace.</summary>
    public static bool AnyIn(string dataDirectory, string workspace)
    {
        var runners = Path.Combine(dataDirectory, "runners");
        return Directory.Exists(runners) && Directory.EnumerateDirectories(runners).Any(folder =>
            PidOf(folder) is not null && File.ReadAllText(Path.Combine(folder, "agent.json")).Contains(workspace, StringComparison.Ordinal));
    }

    /// <summary>The program that an agent drives; waits until there is one.</summary>
    public static async Task<int> ChildOfAsync(int agent)
    {
        int? child = null;
        await Wait.ForAsync(() => (child = Children(agent).Cast<int?>().FirstOrDefault()) is not null, $"a child of process {agent}");
        return child!.Value;
    }

    public static IEnumerable<int> Children(int parent) =>
        from folder in Directory.EnumerateDirectories("/proc")
        let pid = int.TryParse(Path.GetFileName(folder), out var number) ? number : 0
        where pid > 0 && Stat(pid) is { } stat && stat[0] is not ("Z" or "X") && stat[1] == parent.ToString()
        select pid;

    /// <summary>Stops a process, as SIGSTOP does, and waits until every thread of it stands: the signal alone returns while some of them still run.</summary>
    public static Task HaltAsync(int pid)
    {
        ServerProcess.Signal(pid, 19);
        return Wait.ForAsync(
            () => Directory.EnumerateDirectories($"/proc/{pid}/task").All(thread =>
            {
                var stat = File.ReadAllText(Path.Combine(thread, "stat"));
                return stat[(stat.LastIndexOf(')') + 2)..][0] == 'T';
            }),
            $"process {pid} to stand still");
    }

    /// <summary>A zombie counts as ended.</summary>
    public static bool IsAlive(int pid) => Stat(pid) is { } stat && stat[0] is not ("Z" or "X");

    /// <summary>Agents outlive the server on purpose; a test must not leave them behind.</summary>
    public static void EndAll(string dataDirectory)
    {
        var runners = Path.Combine(dataDirectory, "runners");
        if (!Directory.Exists(runners)) return;
        foreach (var folder in Directory.EnumerateDirectories(runners))
        {
            if (PidOf(folder) is not { } pid) continue;
            var command = $"/proc/{pid}/cmdline";
            if (File.Exists(command) && File.ReadAllText(command).Contains(folder, StringComparison.Ordinal)) ServerProcess.Signal(pid, 9);
        }
    }

    /// <summary>The fields of /proc/PID/stat from the state on: state, parent, … (proc(5)); null when there is no such process.</summary>
    private static string[]? Stat(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
