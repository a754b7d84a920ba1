extern alias agent;

using System.Collections.Concurrent;
using System.Diagnostics;
using agent::Marionette.Agent.Hosts;
using agent::Marionette.Agent.Hosts.Sandboxes;
using agent::Marionette.Protocol.Hosts.V1;
using Marionette.Pools;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Providers.Pool.Tests;

/// <summary>A host of the pool: the daemon in this process, on a state folder of its own, whose sandboxes are real ones. In them the stand-in runs.</summary>
internal sealed class PoolHost : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, string[]> _environments = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly string _state, _kind, _script;
    private readonly RunnerKeeper _keeper;
    private readonly HostDaemon _daemon;
    private Task<int>? _running;

    public PoolHost(string state, string kind, string server, string token, string script)
    {
        (_state, _kind, _script) = (state, kind, script);
        Directory.CreateDirectory(state);
        var options = HostOptions.Parse(
            ["--server", server, "--pool", kind, "--token", token, "--state", state, "--cpus", "64", "--memory-mib", "262144", "--disk-mib", "1048576"],
            new Dictionary<string, string>(), out var problem) ?? throw new InvalidOperationException(problem);
        var identity = HostIdentity.From(null, options, TimeProvider.System.GetUtcNow());
        _keeper = RunnerKeeper.Create(state, Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent"), ProgramOf, NullLogger.Instance, only: kind);
        _daemon = new HostDaemon(identity, token, state, _keeper, new HostTimings(), TimeProvider.System, NullLogger.Instance);
    }

    /// <summary>Starts the daemon and waits until the pool counts on it.</summary>
    public async Task StartAsync(IPoolGrain pool)
    {
        var sandboxes = await _keeper.CheckAsync(CancellationToken.None);
        if (sandboxes.FirstOrDefault(sandbox => sandbox.Kind == _kind) is not { Works: true } ours)
            throw new InvalidOperationException($"{_kind} does not work here: {sandboxes.FirstOrDefault(s => s.Kind == _kind)?.Detail}");
        Assert.Equal(["cpu", "disk", "memory", "pids"], ours.Limits.Order());
        Assert.True(ours is { Egress: true, Pause: true }, ours.ToString());
        _running = _daemon.RunAsync(_stop.Token);
        var welcome = await Task.WhenAny(_daemon.Welcomed, _running).WaitAsync(Patience);
        Assert.Same(_daemon.Welcomed, welcome);
        for (var began = TimeProvider.System.GetTimestamp(); (await pool.ListHostsAsync()).All(host => host.Status != Marionette.Pools.HostStatus.Online); await Task.Delay(20))
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, "The pool does not know its host.");
    }

    /// <summary>Ends the runner's agent from outside.</summary>
    public void Crash(RunnerHandle handle)
    {
        if (_kind == SandboxKinds.Runsc) Run("runsc", "--root", _keeper.Folders.Runsc, "kill", Leaf(handle), "KILL");
        else Process.GetProcessById(AgentOf(handle)).Kill();
    }

    /// <summary>Runs a shell command beside the agent: its user, its folder, its environment, its limits.</summary>
    public (int Code, string Output) Inside(RunnerHandle handle, string command)
    {
        if (_kind == SandboxKinds.Runsc)
        {
            return Run(
                "runsc",
                ["--root", _keeper.Folders.Runsc, "exec", "--user", "1000:1000", "--cwd", "/workspace", .. EnvOf(handle).SelectMany(pair => (string[])["--env", pair]), Leaf(handle), "/bin/sh", "-c", command]);
        }

        var agent = AgentOf(handle);
        using var shell = new Process
        {
            StartInfo = new ProcessStartInfo(
                "/bin/sh",
                ["-c", "read go; exec nsenter -t \"$0\" -U -m -u -i -n -p -S 1000 -G 1000 env -i \"$@\"", $"{agent}", .. EnvOf(handle), "/bin/sh", "-c", "cd /workspace && " + command])
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            },
        };
        shell.Start();
        foreach (var folder in GroupOf(handle).Folders) File.WriteAllText(Path.Combine(folder, "cgroup.procs"), $"{shell.Id}");
        shell.StandardInput.Write("go\n");
        shell.StandardInput.Close();
        return Ended(shell);
    }

    /// <summary>A file of a workspace: by a runner that has it, or else out of its image.</summary>
    public string? WorkspaceFile(string workspace, string name)
    {
        var holder = Records().FirstOrDefault(record => record.Workspace == workspace && record.Init?.IsAlive() == true);
        var (code, output) = holder is not null
            ? Inside(new RunnerHandle(holder.Runner, holder.Epoch), $"cat {name} 2>/dev/null")
            : Run("/bin/sh", "-c", $"debugfs -R 'cat /tree/{name}' '{_keeper.Folders.OfWorkspace("acme/", workspace)}.img' 2>/dev/null");
        return code == 0 && output.Length > 0 ? output : null;
    }

    /// <summary>How many files and folders of a workspace the state folder has, those that are being removed included.</summary>
    public int FilesOf(string workspace)
    {
        var folder = Path.GetDirectoryName(_keeper.Folders.OfWorkspace("acme/", workspace))!;
        return Directory.GetFileSystemEntries(_keeper.Folders.Gone).Length
            + (Directory.Exists(folder) ? Directory.GetFileSystemEntries(folder, workspace + "*").Length : 0);
    }

    /// <summary>What the machine shows of a runner to others: its processes' arguments and environments, and files about it.</summary>
    public string PublicTrace(RunnerHandle handle) => string.Join(
        "\n",
        GroupOf(handle).Processes().SelectMany(pid => (string[])[$"/proc/{pid}/cmdline", $"/proc/{pid}/environ"])
            .Concat(Directory.GetFiles(_keeper.Folders.OfRunner(handle.RunnerKey)).Where(file => new FileInfo(file).Length < 1 << 20))
            .Select(file => Read(file)));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_running is not null) await _running;
        foreach (var runner in _keeper.List()) await _keeper.ReleaseAsync(new RunnerRef { Runner = runner.Runner, Epoch = runner.Epoch }, CancellationToken.None);
        await _keeper.DisposeAsync();
        _stop.Dispose();
    }

    private SandboxProgram ProgramOf(EnsureRunner order, string config)
    {
        _environments[order.Runner] = [.. order.Profile.Env.Select(pair => $"{pair.Key}={pair.Value}")];
        return new(["/usr/bin/env", .. order.Profile.Env.Select(pair => $"{pair.Key}={pair.Value}"), "/bin/sh", "-c", _script, "agent", "run", "--config", "-"], config);
    }

    private Cgroup GroupOf(RunnerHandle handle) => CgroupTree.Find(_keeper.Folders.Name).Open(Leaf(handle));

    private static string Leaf(RunnerHandle handle) => HostFolders.Leaf(handle.RunnerKey);

    private IEnumerable<RunnerRecord> Records() =>
        _keeper.List().Select(runner => RunnerRecord.Load(_keeper.Folders.OfRunner(runner.Runner))).OfType<RunnerRecord>();

    private int AgentOf(RunnerHandle handle) => GroupOf(handle).Processes()
        .First(pid => Read($"/proc/{pid}/status").Split('\n').FirstOrDefault(line => line.StartsWith("NSpid:", StringComparison.Ordinal))?.Split('\t') is [_, _, "1"]);

    /// <summary>What the agent would give its children.</summary>
    private IEnumerable<string> EnvOf(RunnerHandle handle)
    {
        var own = _environments.GetValueOrDefault(handle.RunnerKey) ?? [];
        return InsidePaths.Environment.Select(pair => $"{pair.Key}={pair.Value}").Concat(own);
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static (int Code, string Output) Run(string program, params IReadOnlyList<string> arguments)
    {
        using var process = new Process { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        process.Start();
        return Ended(process);
    }

    private static (int Code, string Output) Ended(Process process)
    {
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
