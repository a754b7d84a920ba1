using System.Diagnostics;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Floors;

/// <summary>
/// Bubblewrap as one types it: namespaces, user, rights and root as a host's runner has them. The network is the machine's, and there are no limits, no
/// filter of system calls and no disk of its own.
/// </summary>
internal sealed class BareBwrap : IBareSandbox
{
    public Task<string[]> PrepareAsync(string folder, string[] command, CancellationToken cancellationToken)
    {
        string[] start =
        [
            "bwrap", "--unshare-user", "--unshare-all", "--share-net", "--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "bare",
            "--new-session", "--as-pid-1", "--cap-drop", "ALL",
        ];
        var root = SystemFolders.All.SelectMany(one => one.Target is { } target 
            ? (string[])["--symlink", target, one.Path]
            : ["--ro-bind", one.Path, one.Path]);
        var programs = Path.GetDirectoryName(command[0])!;
        string[] rest =
        [
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", programs, SystemFolders.Programs, "--bind", folder, folder, "--chdir", folder,
            "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--",
        ];
        return Task.FromResult((string[])[.. start, .. root, .. rest, $"{SystemFolders.Programs}/{Path.GetFileName(command[0])}", .. command[1..]]);
    }

    public async Task EndAsync(Process process, string folder)
    {
        // It waits for the one that it started, and goes after it.
        if (!process.HasExited)
        {
            var children = await File.ReadAllTextAsync($"/proc/{process.Id}/task/{process.Id}/children");
            foreach (var child in children.Split(' ', StringSplitOptions.RemoveEmptyEntries)) ServerProcess.Signal(int.Parse(child), ServerProcess.SigKill);
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await process.WaitForExitAsync(patience.Token);
    }
}

/// <summary>Where the machine's programs are, for a root that shows nothing else of it.</summary>
internal static class SystemFolders
{
    /// <summary>Where the agent's program is shown.</summary>
    public const string Programs = "/opt/marionette";

    /// <summary>Folders, and of links what they lead to.</summary>
    public static IReadOnlyList<(string Path, string? Target)> All { get; } =
    [
        .. new[] { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64" }.Where(Path.Exists).Select(path => (path, new DirectoryInfo(path).LinkTarget)),
    ];
}
