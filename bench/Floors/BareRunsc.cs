using System.Diagnostics;
using System.Text.Json;
using Marionette.Bench.Runners;

namespace Marionette.Bench.Floors;

/// <summary>
/// gVisor as one starts it by hand: options, users, rights and root as a host's runner has them. The network is the machine's, and there are no limits and
/// no disk of its own. The bundle (runtime-spec 1.0.2) is made before the clock runs.
/// </summary>
internal sealed class BareRunsc : IBareSandbox
{
    /// <summary>Nobody's: below those that hosts give to runners. The next one is the sandbox's own.</summary>
    private const int User = 1_999_999_990;

    private const int InsideUser = 1000;

    private static readonly string[] Environment = ["PATH=/usr/bin:/bin"], Namespaces = ["user", "pid", "ipc", "uts", "mount"];

    public async Task<string[]> PrepareAsync(string folder, string[] command, CancellationToken cancellationToken)
    {
        var (root, bundle, place) = (Beside(folder, "root"), Beside(folder, "bundle"), new DirectoryInfo(folder));
        foreach (var name in new[] { "proc", "dev", "tmp", SystemFolders.Programs[1..], folder[1..] }) Directory.CreateDirectory(Path.Combine(root, name));
        foreach (var (path, target) in SystemFolders.All)
        {
            if (target is null) Directory.CreateDirectory(root + path);
            else File.CreateSymbolicLink(root + path, target);
        }

        Directory.CreateDirectory(bundle);
        var config = Config(root, folder, Path.GetDirectoryName(command[0])!, [$"{SystemFolders.Programs}/{Path.GetFileName(command[0])}", .. command[1..]]);
        await File.WriteAllTextAsync(Path.Combine(bundle, "config.json"), JsonSerializer.Serialize(config), cancellationToken);
        await RunAsync(["chown", "-R", $"{User}:{User}", place.FullName]);
        return [.. Runsc(folder), "run", "--bundle", bundle, NameOf(folder)];
    }

    public async Task EndAsync(Process process, string folder)
    {
        if (!process.HasExited) await RunAsync([.. Runsc(folder), "kill", NameOf(folder), "KILL"]);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await process.WaitForExitAsync(patience.Token);
        foreach (var name in new[] { "root", "bundle", "state" }) Directory.Delete(Beside(folder, name), recursive: true);
    }

    private static string NameOf(string folder) => Path.GetFileName(folder);

    // The agent's user owns the folder itself.
    private static string Beside(string folder, string name) => $"{folder}.{name}";

    private static string[] Runsc(string folder) =>
    [
        "runsc", "--root", Beside(folder, "state"), "--platform=systrap", "--network=host", "--ignore-cgroups", "--overlay2=none",
        "--host-uds=none", "--net-raw=false",
    ];

    private static object Config(string root, string folder, string programs, string[] arguments)
    {
        object[] users = [new { containerID = 0, hostID = User + 1, size = 1 }, new { containerID = InsideUser, hostID = User, size = 1 }];
        string[] none = [], readOnly = ["bind", "ro"];
        var binds = SystemFolders.All.Where(one => one.Target is null).Select(one => Mount(one.Path, "bind", one.Path, readOnly));
        return new
        {
            ociVersion = "1.0.2",
            hostname = "bare",
            root = new { path = root },
            process = new
            {
                user = new { uid = InsideUser, gid = InsideUser }, args = arguments, env = Environment, cwd = folder, noNewPrivileges = true,
                capabilities = new { bounding = none, effective = none, permitted = none, inheritable = none, ambient = none },
            },
            mounts = (object[])
            [
                Mount("/proc", "proc", "proc", none), Mount("/dev", "tmpfs", "tmpfs", none), Mount("/tmp", "tmpfs", "tmpfs", none), .. binds,
                Mount(SystemFolders.Programs, "bind", programs, readOnly), Mount(folder, "bind", folder, ["bind", "rw"]),
            ],
            linux = new { namespaces = Namespaces.Select(type => new { type }), uidMappings = users, gidMappings = users },
        };
    }

    private static object Mount(string destination, string type, string source, string[] options) => new { destination, type, source, options };

    private static async Task RunAsync(string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
        var said = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{command[0]}: {said}");
    }
}
