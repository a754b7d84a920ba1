using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Marionette.TestEngine;

/// <summary>
/// A Docker Engine with the runner image on it. MARIONETTE_DOCKER_HOST names one that is there; otherwise containerd and dockerd are started on
/// sockets and folders of their own, without a network, and ended at the end. An engine of the machine's is never touched.
/// </summary>
public sealed class DockerEngine : IAsyncDisposable
{
    private const int SigTerm = 15, SigKill = 9;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder;
    private readonly string _run;
    private FileStream? _lock;
    private Process? _containerd;
    private Process? _dockerd;

    private DockerEngine(string folder, string run, Uri host) => (_folder, _run, Host) = (folder, run, host);

    /// <summary>Its address.</summary>
    public Uri Host { get; }

    /// <summary>The runner image.</summary>
    public string Image { get; private set; } = "marionette-runner:test";

    /// <summary>Whether it was started here, so that it may be stopped for a while.</summary>
    public bool IsOurs => _dockerd is not null;

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Obstacle()
    {
        if (Environment.GetEnvironmentVariable("MARIONETTE_DOCKER_HOST") is { Length: > 0 }) return null;
        if (!Environment.IsPrivilegedProcess) return "a Docker Engine of the tests' own needs root; name another with MARIONETTE_DOCKER_HOST";
        foreach (var program in (string[])["dockerd", "containerd", "docker", "debootstrap"])
            if (!Find(program)) return $"{program} is not installed: apt-get install docker.io debootstrap";
        return MachineTrial.OfEngines;
    }

    /// <summary>Starts it and sees to its image.</summary>
    /// <param name="programs">Agent programs for the image, as name=path.</param>
    public static async Task<DockerEngine> StartAsync(params string[] programs)
    {
        if (Environment.GetEnvironmentVariable("MARIONETTE_DOCKER_HOST") is { Length: > 0 } given)
            return new DockerEngine("", "", new Uri(given)) { Image = Environment.GetEnvironmentVariable("MARIONETTE_DOCKER_IMAGE") ?? "marionette-runner:latest" };
        var folder = Path.Combine(Artifacts, "engine");
        Directory.CreateDirectory(folder);
        var run = Directory.CreateTempSubdirectory("marionette-engine-").FullName; // sockets' paths must be short
        var engine = new DockerEngine(folder, run, new Uri($"unix://{run}/docker.sock"));
        try
        {
            engine._lock = await OwnAsync(Path.Combine(folder, "lock"));
            await engine.StartContainerdAsync();
            await engine.StartDockerdAsync();
            await engine.BuildImageAsync(programs);
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }

        return engine;
    }

    /// <summary>Tells dockerd to stop, as a service manager would; its containers end with it.</summary>
    public async Task StopDockerdAsync()
    {
        var process = _dockerd ?? throw new InvalidOperationException("not ours");
        await EndAsync(process, SigTerm);
    }

    /// <summary>Kills dockerd: containers run on, and the next one finds them.</summary>
    public async Task KillDockerdAsync()
    {
        var process = _dockerd ?? throw new InvalidOperationException("not ours");
        await EndAsync(process, SigKill);
    }

    /// <summary>Starts dockerd, again.</summary>
    public async Task StartDockerdAsync()
    {
        File.Delete(Path.Combine(_run, "dockerd.pid"));
        _dockerd = Run(
            "dockerd", $"dockerd.log", "--host", Host.OriginalString, "--containerd", Path.Combine(_run, "containerd.sock"), "--data-root", Path.Combine(_folder, "data"),
            "--exec-root", Path.Combine(_run, "exec"), "--pidfile", Path.Combine(_run, "dockerd.pid"), "--config-file", Path.Combine(_run, "none.json"),
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--log-level", "warn");
        await UntilAsync(() => _dockerd.HasExited ? throw new InvalidOperationException($"dockerd ended: {Log("dockerd.log")}") : Answers(Path.Combine(_run, "docker.sock")), "dockerd");
    }

    /// <summary>Removes everything of an installation of Marionette.</summary>
    public async Task RemoveAsync(string installation)
    {
        var label = $"label=marionette.installation={installation}";
        if (await CommandAsync("docker", "container", "ls", "--all", "--quiet", "--filter", label) is { Length: > 0 } containers)
            await CommandAsync("docker", ["container", "rm", "--force", "--volumes", .. containers.Split('\n')]);
        if (await CommandAsync("docker", "volume", "ls", "--quiet", "--filter", label) is { Length: > 0 } volumes)
            await CommandAsync("docker", ["volume", "rm", "--force", .. volumes.Split('\n')]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_dockerd is { HasExited: false }) await EndAsync(_dockerd, SigTerm);
        if (_containerd is { HasExited: false }) await EndAsync(_containerd, SigTerm);
        _dockerd?.Dispose();
        _containerd?.Dispose();
        if (_run.Length > 0 && Directory.Exists(_run))
        {
            // dockerd leaves mounts of network namespaces behind, and one that was killed the mount of its data on itself.
            var data = Path.Combine(_folder, "data");
            foreach (var line in await File.ReadAllLinesAsync("/proc/self/mounts"))
                if (line.Split(' ')[1] is var mount && (mount == data || mount.StartsWith(_run + "/", StringComparison.Ordinal))) await CommandAsync("umount", "--lazy", mount);
            Directory.Delete(_run, recursive: true);
        }

        _lock?.Dispose();
    }

    private async Task StartContainerdAsync()
    {
        var socket = Path.Combine(_run, "containerd.sock");
        _containerd = Run(
            "containerd", "containerd.log", "--address", socket, "--root", Path.Combine(_folder, "containerd"), "--state", Path.Combine(_run, "state"),
            "--config", Path.Combine(_run, "none.toml"), "--log-level", "warn");
        await UntilAsync(() => _containerd.HasExited ? throw new InvalidOperationException($"containerd ended: {Log("containerd.log")}") : Answers(socket), "containerd");
    }

    /// <summary>Into a log of its own, and out of this process' group: a Ctrl-C reaches us first, and we end it in order.</summary>
    private Process Run(string program, string log, params string[] arguments)
    {
        if (!File.Exists(Path.Combine(_run, "none.toml"))) File.WriteAllText(Path.Combine(_run, "none.toml"), "version = 2\n");
        if (!File.Exists(Path.Combine(_run, "none.json"))) File.WriteAllText(Path.Combine(_run, "none.json"), "{}\n");
        return Process.Start(new ProcessStartInfo(
            "sh", ["-c", "log=$1; shift; exec setsid \"$@\" >>\"$log\" 2>&1 </dev/null", "sh", Path.Combine(_run, log), program, .. arguments]))!;
    }

    private async Task BuildImageAsync(string[] programs)
    {
        // What a run left that was killed.
        await CommandAsync("docker", "container", "prune", "--force");
        await CommandAsync("docker", "volume", "prune", "--force");
        await CommandAsync(
            Path.Combine(Source, "providers", "docker", "image", "build"),
            [
                "--agent", Path.Combine(Artifacts, "agent", "marionette-agent"), "--tag", Image, "--cache", Path.Combine(Artifacts, "image"),
                .. programs.SelectMany(program => (string[])["--with", program]),
            ]);
    }

    private async Task<string> CommandAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOCKER_HOST"] = Host.OriginalString;
        using var process = Process.Start(start)!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} failed: {string.Join('\n', said)}");
        return said[0].Trim();
    }

    private static async Task EndAsync(Process process, int signal)
    {
        _ = Kill(process.Id, signal);
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    /// <summary>The folder holds images between runs, and one engine at a time.</summary>
    private static async Task<FileStream> OwnAsync(string path)
    {
        FileStream? own = null;
        await UntilAsync(
            () =>
            {
                try
                {
                    own = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                    return true;
                }
                catch (IOException)
                {
                    return false;
                }
            },
            $"{path}, which another test program holds", TimeSpan.FromMinutes(10));
        return own!;
    }

    private static async Task UntilAsync(Func<bool> holds, string what, TimeSpan? limit = null)
    {
        var began = Stopwatch.StartNew();
        while (!holds())
        {
            if (began.Elapsed > (limit ?? Limit)) throw new TimeoutException($"Waited for {what}.");
            await Task.Delay(20); // The pause between two looks; the condition decides.
        }
    }

    private static bool Answers(string path)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private string Log(string name) => File.Exists(Path.Combine(_run, name)) ? string.Join('\n', File.ReadLines(Path.Combine(_run, name)).TakeLast(5)) : "";

    private static bool Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string Artifacts => Environment.GetEnvironmentVariable("MARIONETTE_ARTIFACTS") ?? Path.Combine(Source, "artifacts");

    private static string Source
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, "global.json"))) return folder.FullName;
            throw new InvalidOperationException("The tests must run inside the repository.");
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
