using System.Text.Json;
using Marionette.Agent.Processes;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>What runs in a sandbox.</summary>
/// <param name="Arguments">Program, by its path inside, and its arguments.</param>
/// <param name="Input">What it reads on its standard input.</param>
internal sealed record SandboxProgram(IReadOnlyList<string> Arguments, string Input);

/// <summary>Makes, ends and removes single sandboxes, each known by its record. Whoever calls sees to it that calls for one come one at a time.</summary>
internal sealed class SandboxHost(
    HostFolders folders, CgroupTree cgroups, AgentCopies copies, NetdHost network, IReadOnlyList<string> tools, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30), Look = TimeSpan.FromMilliseconds(10), Removal = TimeSpan.FromMinutes(10);

    /// <summary>The boot of the machine.</summary>
    public static string Boot { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Starts a program in the runner's sandbox; its place is made where it is missing. The record is filled in and saved.</summary>
    /// <exception cref="IOException">It could not be started; what began has ended.</exception>
    public async Task StartAsync(RunnerRecord record, SandboxProgram program, Action<StartPhase> progress, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var from = began;
        var folder = folders.OfRunner(record.Runner);
        HostFolders.Make(folder);
        File.Delete(Path.Combine(folder, SandboxEnd.FileName));
        File.Delete(Path.Combine(folder, RunscBundle.PidFile));
        (record.Binaries, record.State, record.Init, record.Boot, record.WantsNetwork) = (copies.Folder, RunnerState.Unknown, null, Boot, false);
        record.Save(folder);
        var disk = await DiskImage.EnsureAsync(copies.Binary, Path.Combine(folder, "disk"), record.DiskMib, cancellationToken).ConfigureAwait(false);
        var workspace = folders.OfWorkspace(record.Runner, record.Workspace);
        var place = await DiskImage.EnsureAsync(copies.Binary, workspace, record.DiskMib, cancellationToken).ConfigureAwait(false);
        // gVisor's own threads, and a process for each of those inside.
        var pids = record.Pids > 0 && record.Sandbox == SandboxKinds.Runsc ? (2 * record.Pids) + 128 : record.Pids;
        var group = cgroups.Make(HostFolders.Leaf(record.Runner), record.CpusNow, record.MemoryMib, pids);
        var plan = new SandboxPlan
        {
            Kind = record.Sandbox, Name = HostFolders.Leaf(record.Runner), Program = ProgramOf(record.Sandbox), User = record.User, Folder = folder,
            Disk = disk, Workspace = place, TakeWorkspace = WorkspaceUser.Of(workspace) != record.User, Binaries = record.Binaries, Tools = tools,
            Cgroups = group.Folders, Arguments = program.Arguments, Input = program.Input, RunscRoot = folders.Runsc, View = folders.View,
        };
        // Half of it changed, it is neither's: the next start takes it whole.
        if (plan.TakeWorkspace)
            WorkspaceUser.Save(workspace, 0);
        using var start = SandboxStart.Begin(Path.Combine(record.Binaries, Path.GetFileName(InsidePaths.Agent)), folder);
        try
        {
            record.Init = ProcessMark.Of(start.Pid);
            record.Save(folder);
            cgroups.Keep(start.Pid);
            await start.TellAsync(JsonSerializer.Serialize(plan, SandboxJsonContext.Default.SandboxPlan), cancellationToken).ConfigureAwait(false);
            await start.HearAsync(SandboxInit.Ready, cancellationToken).ConfigureAwait(false);
            WorkspaceUser.Save(workspace, record.User);
            Step("sandbox");
            record.WantsNetwork = true;
            await network.AskAsync(NetworkRules.Attach(record, start.Pid), cancellationToken).ConfigureAwait(false);
            Step("network");
            await start.TellAsync(SandboxInit.Go, cancellationToken).ConfigureAwait(false);
            await start.HearAsync(SandboxInit.Started, cancellationToken).ConfigureAwait(false);
            await StartedAsync(record, group, folder, cancellationToken).ConfigureAwait(false);
            (record.State, record.Cause, record.ExitCode, record.Detail) = (RunnerState.Running, "", null, "");
            record.Save(folder);
            Step("start");
            log.SandboxStarted(record.Runner, record.Epoch, record.Sandbox, (long)clock.GetElapsedTime(began).TotalMilliseconds);
        }
        catch
        {
            start.Dispose();
            await EndAsync(record, CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        void Step(string phase)
        {
            progress(new StartPhase(phase, clock.GetElapsedTime(from)));
            from = clock.GetTimestamp();
        }
    }

    /// <summary>The control group of a runner.</summary>
    public Cgroup GroupOf(RunnerRecord record) => cgroups.Open(HostFolders.Leaf(record.Runner));

    /// <summary>
    /// Whether its processes run. gVisor of which the kernel ended a part for want of memory may stand still for ever: that is an end.
    /// </summary>
    public bool IsAlive(RunnerRecord record) => record.Boot == Boot && record.Init?.IsAlive() == true
        && (record.Sandbox != SandboxKinds.Runsc || GroupOf(record).OutOfMemoryKills() == 0);

    /// <summary>File of what its program writes.</summary>
    public string OutputOf(RunnerRecord record) => Path.Combine(folders.OfRunner(record.Runner), AgentOutput.FileName);

    /// <summary>How its sandbox ended; null when nobody could tell.</summary>
    public SandboxEnd? EndOf(RunnerRecord record)
    {
        try
        {
            return JsonSerializer.Deserialize(
                File.ReadAllBytes(Path.Combine(folders.OfRunner(record.Runner), SandboxEnd.FileName)), SandboxJsonContext.Default.SandboxEnd);
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Asks the agent to end. It takes some seconds to say what it has to say.</summary>
    public async Task AskToEndAsync(RunnerRecord record)
    {
        if (record.Sandbox == SandboxKinds.Runsc)
            await RunscAsync(record, "kill", HostFolders.Leaf(record.Runner), "TERM").ConfigureAwait(false);
        else if (FirstInside(GroupOf(record)) is { } pid)
            _ = Libc.Kill(pid, Libc.SigTerm);
    }

    /// <summary>Stops its processes where they are, or lets them go on.</summary>
    /// <exception cref="IOException">They do not.</exception>
    public async Task PauseAsync(RunnerRecord record, bool paused, CancellationToken cancellationToken)
    {
        if (record.Sandbox == SandboxKinds.Runsc)
            await RunscAsync(record, paused ? "pause" : "resume", HostFolders.Leaf(record.Runner)).ConfigureAwait(false);
        else
            await GroupOf(record).FreezeAsync(paused, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends everything of a runner that runs: processes, and with them mounts, namespaces and devices. Its files stay.</summary>
    /// <exception cref="IOException">Something does not end.</exception>
    public async Task EndAsync(RunnerRecord record, CancellationToken cancellationToken)
    {
        record.WantsNetwork = false;
        // Those inside first: the one outside then writes how they ended, and goes by itself.
        var group = GroupOf(record);
        // Thousands that are killed die no faster than they may run.
        if (record.Throttled && group.Exists)
            group.LimitProcessors(record.Cpus);
        await group.RemoveAsync(cancellationToken).ConfigureAwait(false);
        if (record is { Init: { } init } && record.Boot == Boot)
        {
            for (var began = Environment.TickCount64; init.IsAlive(); await Task.Delay(Look, cancellationToken).ConfigureAwait(false))
            {
                if (Environment.TickCount64 - began > 3000)
                    init.Kill();
            }
        }

        foreach (var file in Directory.GetFiles(folders.Runsc, $"*{HostFolders.Leaf(record.Runner)}*"))
            File.Delete(file);
        string[] images = [Path.Combine(folders.OfRunner(record.Runner), "disk.img"), folders.OfWorkspace(record.Runner, record.Workspace) + DiskImage.Image];
        foreach (var image in images)
            await DiskImage.UnusedAsync(image, cancellationToken).ConfigureAwait(false);
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), clock);
            await network.DetachAsync(record.Runner, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            log.NetworkAway(exception.Message); // its network went with its namespace
        }
    }

    /// <summary>Ends and removes all that belongs to a runner alone.</summary>
    /// <exception cref="IOException">Something is left.</exception>
    public async Task RemoveAsync(RunnerRecord record, CancellationToken cancellationToken)
    {
        await EndAsync(record, cancellationToken).ConfigureAwait(false);
        await Task.Run(() => RemoveFiles(folders.OfRunner(record.Runner)), CancellationToken.None).ConfigureAwait(false);
        log.SandboxRemoved(record.Runner);
    }

    /// <summary>
    /// Removes a file or a folder. What a runner made in it may lie deeper than any path can be long, and may be links: rm goes from open folder to
    /// open folder, and follows none. Blocks.
    /// </summary>
    /// <exception cref="IOException">Something is left.</exception>
    public static void RemoveTree(string path) => SystemProgram.Run(Removal, "rm", "-rf", "--one-file-system", "--", path);

    /// <summary>Removes a runner's folder, and its tenant's when it was the last. Blocks.</summary>
    /// <exception cref="IOException">Something is left.</exception>
    public static void RemoveFiles(string folder)
    {
        if (Directory.Exists(folder))
            RemoveTree(folder);
        if (Path.GetDirectoryName(folder) is { } above && Directory.Exists(above))
            Cgroup.TryRemove(above);
    }

    // The program has begun, or has ended already and told why.
    private async Task StartedAsync(RunnerRecord record, Cgroup group, string folder, CancellationToken cancellationToken)
    {
        for (var began = Environment.TickCount64; ; await Task.Delay(Look, cancellationToken).ConfigureAwait(false))
        {
            if (!record.Init!.IsAlive())
            {
                if (EndOf(record) is not { } end)
                    throw new IOException("the first process of the sandbox was ended");
                if (end.Code != 0 && Trouble(record.Sandbox, end.Said) is { } trouble)
                    throw new IOException(trouble);
                return; // it was quick
            }

            if (record.Sandbox == SandboxKinds.Runsc ? File.Exists(Path.Combine(folder, RunscBundle.PidFile)) : FirstInside(group) is not null)
                return;
            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
                throw new IOException($"the sandbox did not start within {Patience.TotalSeconds:0} s");
        }
    }

    private static string? Trouble(string kind, string said)
    {
        var starts = kind == SandboxKinds.Bwrap ? "bwrap: " : "running container: ";
        return said.Split('\n').FirstOrDefault(line =>
            line.StartsWith(starts, StringComparison.Ordinal) || line.StartsWith(SandboxInit.Trouble, StringComparison.Ordinal));
    }

    // The process that is number 1 in a namespace of its own, once it is no bwrap any more.
    private static int? FirstInside(Cgroup group)
    {
        foreach (var pid in group.Processes())
        {
            try
            {
                var lines = File.ReadAllLines($"/proc/{pid}/status");
                if (lines.FirstOrDefault(line => line.StartsWith("NSpid:", StringComparison.Ordinal)) is { } spaces && spaces.Split('\t') is [_, _, .., "1"]
                    && lines[0] != "Name:\tbwrap")
                    return pid;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It has ended.
            }
        }

        return null;
    }

    private Task<string> RunscAsync(RunnerRecord record, params IReadOnlyList<string> command) => Task.Run(() =>
        SystemProgram.Run(Patience, RunscBundle.Command(ProgramOf(record.Sandbox), folders.Runsc, command)));

    private static string ProgramOf(string kind) => SystemProgram.Find(kind) ?? throw new IOException($"{kind} is missing");
}
