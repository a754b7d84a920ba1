namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// What a sandbox sees, put together by mounts in a mount namespace of its own: they go with its last process, whatever becomes of us. The programs
/// of the machine are read-only; of its settings there is only what programs need and what holds no secret.
/// </summary>
internal static class SandboxView
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Settings without secrets that programs of the machine look for.
    private static readonly string[] Settings =
    [
        "alternatives", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted", "crypto-policies", "ca-certificates.conf",
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "services", "protocols", "debian_version", "fonts", "terminfo",
        "inputrc", "perl", "bash.bashrc",
    ];

    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead
        | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const UnixFileMode OwnersAlone = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Shared = Everybody | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.StickyBit;

    /// <summary>Makes the view. The calling process has its mount namespace already. Blocks.</summary>
    /// <returns>Where it begins.</returns>
    /// <exception cref="IOException">It could not be made.</exception>
    public static string Make(SandboxPlan plan)
    {
        SandboxCalls.Mount(null, "/", null, SandboxCalls.Recursive | SandboxCalls.Slave);
        var stage = Path.Combine(plan.Folder, "view");
        Directory.CreateDirectory(stage);
        SandboxCalls.Mount("view", stage, "tmpfs", SandboxCalls.NoSetUid | SandboxCalls.NoDevices, "mode=755,size=4m");
        var root = stage + "/root";
        foreach (var folder in new[] { "etc", "proc", "dev", "sys", "run", "tmp", "opt", "home", "var" })
            MakeFolder($"{root}/{folder}");
        ShowSystem(root);
        SandboxSettings.Write(root + "/etc", plan.Name);
        foreach (var name in Settings)
            Show("/etc/" + name, $"{root}/etc/{name}");
        ShowDisks(plan, stage, root);
        Show(plan.Binaries, root + InsidePaths.Binaries);
        for (var at = 0; at < plan.Tools.Count; at++)
            Show(InsidePaths.OfTools(plan.Tools[at]).Shown, $"{root}{InsidePaths.Tools}/{at}");
        if (plan.Kind == SandboxKinds.Bwrap)
            File.WriteAllBytes(stage + "/seccomp", SeccompProgram.ToBytes(SeccompProgram.For(SyscallTable.OfThisMachine)));
        else
            RunscBundle.Write(plan, $"{plan.View}/root", stage + "/bundle");
        MakeFolder(stage + "/bin");
        BindReadOnly(plan.Binaries, stage + "/bin");
        SandboxCalls.Mount(null, stage, null,
            SandboxCalls.Bind | SandboxCalls.Remount | SandboxCalls.ReadOnly | SandboxCalls.NoSetUid | SandboxCalls.NoDevices);
        // Under another name: the way to the stage is closed to the runner's user.
        SandboxCalls.Mount(null, stage, null, SandboxCalls.Recursive | SandboxCalls.Private);
        SandboxCalls.Mount(stage, plan.View, null, SandboxCalls.Bind | SandboxCalls.Recursive);
        return plan.View;
    }

    /// <summary>Bytes left on the disks of a view.</summary>
    public static long FreeBytes(string view)
    {
        try
        {
            return new[] { InsidePaths.Workspace, InsidePaths.State }.Min(path => new DriveInfo($"{view}/root{path}").AvailableFreeSpace);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return long.MaxValue; // not known
        }
    }

    private static void ShowSystem(string root)
    {
        MakeFolder(root + "/usr");
        BindReadOnly("/usr", root + "/usr");
        foreach (var name in new[] { "bin", "sbin", "lib", "lib32", "lib64" })
        {
            var original = new DirectoryInfo("/" + name);
            if (original.LinkTarget is { } target)
                File.CreateSymbolicLink($"{root}/{name}", target);
            else if (original.Exists)
                Show("/" + name, $"{root}/{name}");
        }
    }

    private static void ShowDisks(SandboxPlan plan, string stage, string root)
    {
        var disk = Open(plan.Disk, stage + "/disk");
        foreach (var (name, inside, mode) in new[]
                 {
                     ("home", InsidePaths.Home, OwnersAlone), ("state", InsidePaths.State, OwnersAlone), ("tmp", "/tmp", Shared),
                 })
        {
            if (!Directory.Exists($"{disk}/{name}"))
            {
                Directory.CreateDirectory($"{disk}/{name}");
                File.SetUnixFileMode($"{disk}/{name}", mode);
                SandboxCalls.Owner($"{disk}/{name}", plan.User);
            }

            MakeFolder(root + inside);
            BindWritable($"{disk}/{name}", root + inside);
        }

        File.CreateSymbolicLink(root + "/var/tmp", "../tmp");
        var workspace = Open(plan.Workspace, stage + "/workspace") + "/tree";
        Directory.CreateDirectory(workspace);
        if (plan.TakeWorkspace)
            SystemProgram.RunTied(OwnProgram(plan), TimeSpan.FromMinutes(10), 0, "chown", "-hR", $"{plan.User}:{plan.User}", workspace);
        MakeFolder(root + InsidePaths.Workspace);
        BindWritable(workspace, root + InsidePaths.Workspace);
    }

    private static string OwnProgram(SandboxPlan plan) => Path.Combine(plan.Binaries, Path.GetFileName(InsidePaths.Agent));

    private static string Open(string place, string at)
    {
        if (Directory.Exists(place))
            return place;
        MakeFolder(at);
        SystemProgram.Run(Patience, "mount", "-t", "ext4", "-o", "loop,nosuid,nodev", place, at);
        return at;
    }

    private static void Show(string source, string target)
    {
        if (Directory.Exists(source))
        {
            MakeFolder(target);
            BindReadOnly(source, target);
        }
        else if (File.Exists(source))
        {
            MakeFolder(Path.GetDirectoryName(target)!);
            File.Copy(source, target, overwrite: true);
        }
    }

    private static void BindReadOnly(string source, string target)
    {
        SandboxCalls.Mount(source, target, null, SandboxCalls.Bind);
        const ulong flags = SandboxCalls.ReadOnly | SandboxCalls.NoSetUid | SandboxCalls.NoDevices;
        SandboxCalls.Mount(null, target, null, SandboxCalls.Bind | SandboxCalls.Remount | flags);
    }

    private static void BindWritable(string source, string target)
    {
        SandboxCalls.Mount(source, target, null, SandboxCalls.Bind);
        SandboxCalls.Mount(null, target, null, SandboxCalls.Bind | SandboxCalls.Remount | SandboxCalls.NoSetUid | SandboxCalls.NoDevices);
    }

    // Whatever the mask of this process is: the runner's user must find its way.
    private static void MakeFolder(string path)
    {
        if (Directory.Exists(path))
            return;
        MakeFolder(Path.GetDirectoryName(path)!);
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, Everybody);
    }
}
