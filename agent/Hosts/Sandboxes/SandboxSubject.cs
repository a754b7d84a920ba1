using System.Globalization;
using Marionette.Agent.Hosting;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What a test of the sandboxes was made on. When any of it is other than then, the test says nothing any more.</summary>
internal static class SandboxSubject
{
    private static readonly string[] Programs = ["bwrap", "runsc", "nft", "mount", "mkfs.ext4", "e2fsck", "resize2fs"];

    // Each of them forbids namespaces, or bounds them, on some system.
    private static readonly string[] Settings =
    [
        "kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns", "user/max_user_namespaces", "user/max_mnt_namespaces",
        "user/max_net_namespaces", "user/max_pid_namespaces",
    ];

    /// <summary>As one line.</summary>
    /// <param name="binaries">Folder of the agent's program, named by what is in it.</param>
    /// <param name="cgroups">The control groups.</param>
    public static string Of(string binaries, CgroupTree cgroups) => string.Join("; ",
    [
        .. Programs.Select(Program), "boot " + SandboxHost.Boot, File.ReadAllText("/proc/version").Trim(), "agent " + AgentVersion.Text,
        Path.GetFileName(binaries), File.Exists("/dev/loop-control") ? "loop" : "no loop", "cgroups " + cgroups, .. Settings.Select(Setting),
    ]);

    private static string Program(string name)
    {
        if (SystemProgram.Find(name) is not { } path)
            return name + " none";
        var file = new FileInfo(path);
        if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            file = target;
        return string.Create(CultureInfo.InvariantCulture, $"{path} {(file.Exists ? file.Length : 0)} {file.LastWriteTimeUtc.Ticks}");
    }

    private static string Setting(string name)
    {
        try
        {
            return $"{name}={File.ReadAllText("/proc/sys/" + name).Trim()}";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return name + " none";
        }
    }
}
