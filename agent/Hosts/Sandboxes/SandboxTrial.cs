namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Sandboxes that exist for a check, one after another.</summary>
internal sealed class SandboxTrial(SandboxHost host, Func<int, int> allot, string kind, Uri gateway)
{
    /// <summary>A tenant that no gateway can name.</summary>
    public const string Tenant = "_check";

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50), Still = TimeSpan.FromMilliseconds(300);

    private RunnerRecord? record;

    /// <summary>Of the last run.</summary>
    public long OutOfMemoryKills { get; private set; }

    /// <summary>Of the last run.</summary>
    public long Throttled { get; private set; }

    /// <summary>Runs a probe to its end, or to the end of patience.</summary>
    /// <exception cref="IOException">It could not be started.</exception>
    public async Task<SandboxEnd> RunAsync(
        string[] probe, double cpus, long memoryMib, long diskMib, int pids, TimeSpan patience, CancellationToken cancellationToken)
    {
        var started = await StartAsync(probe, cpus, memoryMib, diskMib, pids, cancellationToken).ConfigureAwait(false);
        var group = host.GroupOf(started);
        for (var began = Environment.TickCount64; host.IsAlive(started) && Environment.TickCount64 - began < patience.TotalMilliseconds;)
            await Task.Delay(Look, cancellationToken).ConfigureAwait(false);
        (OutOfMemoryKills, Throttled) = (group.OutOfMemoryKills(), group.Throttled());
        await host.EndAsync(started, cancellationToken).ConfigureAwait(false);
        var end = host.EndOf(started) ?? new SandboxEnd { Code = -1 };
        await CleanAsync().ConfigureAwait(false);
        return end;
    }

    /// <summary>Whether a paused sandbox uses no processor, and goes on after it.</summary>
    public async Task<bool> PausesAsync(double cpus, long memoryMib, int pids, CancellationToken cancellationToken)
    {
        var started = await StartAsync(["beat"], cpus, memoryMib, 0, pids, cancellationToken).ConfigureAwait(false);
        var file = host.OutputOf(started);
        if (!await GrowsAsync(file, TimeSpan.FromSeconds(20), cancellationToken).ConfigureAwait(false))
            return false;
        await host.PauseAsync(started, paused: true, cancellationToken).ConfigureAwait(false);
        await Task.Delay(Look, cancellationToken).ConfigureAwait(false); // what it wrote before is on its way
        var stands = !await GrowsAsync(file, Still, cancellationToken).ConfigureAwait(false);
        await host.PauseAsync(started, paused: false, cancellationToken).ConfigureAwait(false);
        var goesOn = await GrowsAsync(file, TimeSpan.FromSeconds(20), cancellationToken).ConfigureAwait(false);
        await CleanAsync().ConfigureAwait(false);
        return stands && goesOn;
    }

    /// <summary>Removes what is there.</summary>
    public async Task CleanAsync()
    {
        if (Interlocked.Exchange(ref record, null) is { } left)
            await host.RemoveAsync(left, CancellationToken.None).ConfigureAwait(false);
    }

    private static async Task<bool> GrowsAsync(string file, TimeSpan patience, CancellationToken cancellationToken)
    {
        var before = Length();
        for (var began = Environment.TickCount64; Environment.TickCount64 - began < patience.TotalMilliseconds;)
        {
            if (Length() > before)
                return true;
            await Task.Delay(Look, cancellationToken).ConfigureAwait(false);
        }

        return false;

        long Length() => File.Exists(file) ? new FileInfo(file).Length : 0;
    }

    private async Task<RunnerRecord> StartAsync(
        string[] probe, double cpus, long memoryMib, long diskMib, int pids, CancellationToken cancellationToken)
    {
        await CleanAsync().ConfigureAwait(false);
        var name = diskMib == 0 ? kind : kind + "-disk";
        record = new RunnerRecord
        {
            Runner = $"{Tenant}/{name}", Epoch = 1, Sandbox = kind, User = allot(0), Workspace = name, Cpus = cpus, MemoryMib = memoryMib, DiskMib = diskMib,
            Pids = pids, Gateway = gateway.ToString(),
        };
        await host.StartAsync(record, new SandboxProgram([InsidePaths.Agent, SandboxProbe.Verb, .. probe], ""), _ => { }, cancellationToken)
            .ConfigureAwait(false);
        return record;
    }
}
