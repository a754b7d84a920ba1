using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Marionette.Providers.Processes;

/// <summary>
/// Runners as processes of this host, each in its own session and folder. For development and trusted hosts: the agent runs as the
/// server's own user and sees all that this user sees. Agents outlive the server: after its crash they reconnect.
/// </summary>
public sealed class ProcessProvider(ProcessProviderOptions options, TimeProvider clock) : IRunnerProvider
{
    /// <summary>Children of this process, kept for their exit codes; others are known by pid and start time only.</summary>
    private readonly ConcurrentDictionary<string, Process> _children = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new();

    /// <inheritdoc/>
    public string Name => "process";

    /// <inheritdoc/>
    public ProviderCapabilities Capabilities { get; } = new("none", CanPause: false, OutlivesHost: true);

    /// <inheritdoc/>
    public async Task<RunnerHandle> EnsureAsync(RunnerSpec spec, IProgress<StartStep>? progress, CancellationToken cancellationToken)
    {
        if (!File.Exists(options.AgentBinary))
            throw new ProviderException(ProviderFault.Rejected, $"The agent binary is not at {options.AgentBinary}; build it with ./marionette build.");

        if (spec.Profile.Sandbox is not ("auto" or "none"))
            throw new ProviderException(ProviderFault.Rejected, $"The profile asks for the sandbox \"{spec.Profile.Sandbox}\", and processes of the host have none.");

        var handle = new RunnerHandle(spec.RunnerKey, spec.Epoch);
        using var _ = await EnterAsync(spec.RunnerKey, cancellationToken);
        var folder = new RunnerFolder(options.DataDirectory, handle);
        if (folder.IsAnothers) throw new ProviderException(ProviderFault.Rejected, $"{spec.RunnerKey} is there in another epoch: release that one first.");
        if (folder.ReadPid() is { IsAlive: true }) return handle;

        try
        {
            folder.Create();
            var files = Path.Combine(options.DataDirectory, "workspaces", spec.WorkspaceId);
            var (workspace, home) = (Path.Combine(files, "workspace"), Path.Combine(files, "home"));
            Directory.CreateDirectory(workspace);
            Directory.CreateDirectory(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            folder.WriteConfig(new AgentConfig(
                options.ServerUrl(), options.EndpointsFile, spec.RunnerKey, spec.Epoch, spec.Token,
                folder.StateFolder, workspace, home, options.ToolsPath, spec.Profile.Env));
            var began = clock.GetTimestamp();
            Start(folder, handle, spec.Profile.Env);
            progress?.Report(new StartStep("start", clock.GetElapsedTime(began)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
        {
            throw new ProviderException(ProviderFault.Unavailable, $"The agent could not be started: {e.Message}", e);
        }

        return handle;
    }

    /// <inheritdoc/>
    public Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        var folder = new RunnerFolder(options.DataDirectory, handle);
        if (!folder.Exists || folder.IsAnothers) return Task.FromResult(new RunnerObservedState(RunnerState.Missing));
        if (folder.ReadPid() is { IsAlive: true }) return Task.FromResult(new RunnerObservedState(RunnerState.Running));

        if (!_children.TryGetValue(handle.RunnerKey, out var child) || !child.HasExited)
            return Task.FromResult(new RunnerObservedState(RunnerState.Exited, null, DeathCauses.Exited, "The agent's process is gone."));

        // A signal shows as 128 + its number, as in a shell.
        var code = child.ExitCode;
        var cause = code == 128 + 9 ? DeathCauses.Killed : DeathCauses.Exited;
        var tail = folder.LogTail();
        var detail = $"The agent ended with exit code {code}." + (tail.Length > 0 ? $" Its last words: {tail.Split('\n')[^1]}" : "");
        return Task.FromResult(new RunnerObservedState(RunnerState.Exited, code, cause, detail));
    }

    /// <inheritdoc/>
    public async Task StopAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        using var _ = await EnterAsync(handle.RunnerKey, cancellationToken);
        var folder = new RunnerFolder(options.DataDirectory, handle);
        if (!folder.IsAnothers) await EndAsync(folder, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        using var _ = await EnterAsync(handle.RunnerKey, cancellationToken);
        var folder = new RunnerFolder(options.DataDirectory, handle);
        if (folder.IsAnothers) return;
        await EndAsync(folder, cancellationToken);
        folder.Delete();
        if (_children.TryRemove(handle.RunnerKey, out var child)) child.Dispose();
        _gates.TryRemove(handle.RunnerKey, out var _);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RunnerHandle> ListOwnedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var root = Path.Combine(options.DataDirectory, "runners");
        if (!Directory.Exists(root)) yield break;
        foreach (var folder in Directory.EnumerateDirectories(root))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (RunnerFolder.OwnerOf(folder) is { } owner) yield return owner;
        }

        await Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<InstalledAgent>> ListAgentsAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(options.AgentBinary)) throw new ProviderException(ProviderFault.Rejected, $"The agent binary is not at {options.AgentBinary}.");
        var start = new ProcessStartInfo(options.AgentBinary, ["agents"])
        {
            UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        KeepOnly(start.Environment, ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "DOTNET_ROOT"]);
        start.Environment["PATH"] = string.Join(':', options.ToolsPath.Append(start.Environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"));
        try
        {
            return await InstalledAgents.AskAsync(start, clock, cancellationToken);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new ProviderException(ProviderFault.Unavailable, $"The agent binary could not be started: {e.Message}", e);
        }
    }

    private async Task EndAsync(RunnerFolder folder, CancellationToken cancellationToken)
    {
        if (folder.ReadPid() is not { IsAlive: true } process) return;
        process.Terminate();
        var began = clock.GetTimestamp();
        while (process.IsAlive && clock.GetElapsedTime(began) < options.StopGrace)
            await Task.Delay(TimeSpan.FromMilliseconds(25), clock, cancellationToken);
        process.KillGroup();
    }

    /// <summary>
    /// The shell sets up the output file and is replaced: sh, setsid and the agent are one pid. setsid takes the agent out of our
    /// process group, so that neither a Ctrl-C nor our death reaches it.
    /// </summary>
    private void Start(RunnerFolder folder, RunnerHandle handle, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList = { "-c", "exec setsid \"$0\" run --config \"$1\" >>\"$2\" 2>&1 </dev/null", options.AgentBinary, folder.ConfigFile, folder.LogFile },
            WorkingDirectory = folder.Path,
            UseShellExecute = false,
        };
        KeepOnly(start.Environment, ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "DOTNET_ROOT"]);
        foreach (var (name, value) in environment) start.Environment[name] = value;

        var process = Process.Start(start) ?? throw new IOException("No process was made.");
        _children[handle.RunnerKey] = process;
        if (ProcessIdentity.Of(process.Id) is { } identity) folder.WritePid(identity);
    }

    /// <summary>The server's environment may hold its secrets; a runner gets what every program needs.</summary>
    private static void KeepOnly(IDictionary<string, string?> environment, string[] names)
    {
        foreach (var name in environment.Keys.Except(names).ToList()) environment.Remove(name);
    }

    private async Task<Gate> EnterAsync(string runnerKey, CancellationToken cancellationToken)
    {
        var gate = _gates.GetOrAdd(runnerKey, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken);
        return new Gate(gate);
    }

    private readonly struct Gate(SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose() => semaphore.Release();
    }
}
