using System.ComponentModel;
using System.Diagnostics;

namespace Marionette.TestEngine;

/// <summary>
/// What this machine's kernel lets us do, found out by doing it once with the system's own programs: root of a container may often make neither
/// namespaces nor mounts. Nothing of Marionette's takes part, so a defect of ours is never taken for a machine that cannot.
/// </summary>
public static class MachineTrial
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly string[] Limits = ["cpu", "memory", "pids", "freezer"];

    private static readonly Lazy<string?> FirstProcess = new(() => Root() ?? Try(
        "process namespaces", "unshare", "--pid", "--fork", "--mount-proc", "true"));

    private static readonly Lazy<string?> Network = new(() => Root() ?? Missing("unshare", "nsenter", "ip", "nft") ?? Try(
        "network namespaces", "unshare", "--net", "--mount", "sh", "-ec",
        "ip link set lo up; ip link add mn0 type veth peer name mn1; nft add table inet mn; nsenter --net=/proc/self/ns/net true"));

    private static readonly Lazy<string?> Disk = new(TryDisk);

    private static readonly Lazy<string?> Groups = new(TryGroups);

    private static readonly Lazy<string?> Bwrap = new(() => Missing("bwrap", "setpriv") ?? Try(
        "bubblewrap", "setpriv", "--reuid=2000000000", "--regid=2000000000", "--clear-groups", "bwrap", "--unshare-user", "--unshare-all", "--share-net",
        "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true"));

    private static readonly Lazy<string?> Runsc = new(TryRunsc);

    /// <summary>Why nothing can be the first process of a process namespace here; null when something can.</summary>
    public static string? OfProcesses => FirstProcess.Value;

    /// <summary>Why no network namespaces with links and packet filters can be had here; null when they can.</summary>
    public static string? OfNetworks => Network.Value;

    /// <summary>Why no Docker Engine can be started here, be it installed or not; null when one can.</summary>
    public static string? OfEngines => OfProcesses ?? OfNetworks ?? Groups.Value;

    /// <summary>Why no sandbox of a kind can be started here, with its network, its disks and its limits; null when it can.</summary>
    /// <param name="kind"><c>bwrap</c> or <c>runsc</c>.</param>
    public static string? OfSandboxes(string kind) => OfNetworks ?? Disk.Value ?? Groups.Value ?? (kind == "bwrap" ? Bwrap.Value : Runsc.Value);

    private static string? Root() => Environment.IsPrivilegedProcess ? null : "it needs root";

    private static string? Missing(params string[] programs) =>
        programs.FirstOrDefault(program => Find(program) is null) is { } missing ? $"{missing} is not installed" : null;

    private static string? TryDisk() => Root() ?? Missing("mkfs.ext4", "unshare", "mount") ?? InFolder(folder =>
    {
        var (image, at) = (Path.Combine(folder, "disk.img"), Path.Combine(folder, "at"));
        using (var file = File.Create(image)) file.SetLength(8 << 20);
        Directory.CreateDirectory(at);
        // In a mount namespace of its own: mount and device end with it.
        return Try("a file system", "mkfs.ext4", "-q", "-F", image) ?? Try("mounts of disk images", "unshare", "--mount", "mount", "-t", "ext4", "-o", "loop", image, at);
    });

    private static string? TryRunsc() => Missing("runsc") ?? InFolder(folder => Try(
        "gVisor", "runsc", "--root", Path.Combine(folder, "runsc"), "--platform=systrap", "--network=none", "--ignore-cgroups", "--host-uds=none", "do", "true"));

    // In every hierarchy that limits something: "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0".
    private static string? TryGroups()
    {
        if (Root() is { } root) return root;
        var mounts = File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).ToList();
        var folders = mounts.Where(parts => parts[2] == "cgroup" && parts[3].Split(',').Intersect(Limits).Any()).Select(parts => parts[1]).ToList();
        if (folders.Count == 0) folders = [.. mounts.Where(parts => parts[2] == "cgroup2").Select(parts => parts[1])];
        if (folders.Count == 0) return "control groups are not mounted";
        foreach (var folder in folders.Select(folder => Path.Combine(folder, $"marionette-trial-{Environment.ProcessId}")))
        {
            try
            {
                Directory.CreateDirectory(folder);
                Directory.Delete(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return $"control groups cannot be made here: {e.Message}";
            }
        }

        return null;
    }

    private static string? InFolder(Func<string, string?> action)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-trial-").FullName;
        try
        {
            return action(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string? Find(string program) =>
        new[] { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin" }.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    // What it says goes into the reason: people read there why their machine cannot.
    private static string? Try(string what, params string[] command)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(Find(command[0]) ?? command[0], command[1..])
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            process.StandardInput.Close();
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            if (!process.WaitForExit(Patience))
            {
                process.Kill(entireProcessTree: true);
                // A machine that is busy is not one that cannot: nothing is skipped for it.
                throw new TimeoutException($"{what}: {command[0]} did not end within {Patience.TotalSeconds:0} s");
            }

            _ = output.GetAwaiter().GetResult();
            return process.ExitCode == 0 ? null : $"{what} cannot be had here: {errors.GetAwaiter().GetResult().Trim().Split('\n')[^1]} (exit code {process.ExitCode})";
        }
        catch (Win32Exception e)
        {
            return $"{what} cannot be had here: {command[0]}: {e.Message}";
        }
    }
}
