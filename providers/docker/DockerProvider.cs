using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker;

/// <summary>
/// Runners as containers of a Docker Engine, local or remote. All that it knows stands on the engine's own resources
/// (<see cref="ResourceNames"/>): any process of the installation finds the same.
/// </summary>
public sealed partial class DockerProvider : IRunnerProvider, IAsyncDisposable
{
    /// <summary>A name that is still taken by what is being removed is free a moment later.</summary>
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(50);

    private const int Tries = 100;

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new();
    private readonly DockerProviderOptions _options;
    private readonly TimeProvider _clock;
    private readonly Engine _engine;
    private readonly ResourceNames _names;
    private readonly RunnerContainer _make;
    private readonly Images _images;
    private readonly IEgress _egress;
    private readonly Runtimes _runtimes;
    private readonly DiskQuota _quota;

    /// <summary>A provider on an engine. Nothing is asked of it yet.</summary>
    public DockerProvider(DockerProviderOptions options, TimeProvider clock)
    {
        (_options, _clock) = (options, clock);
        _engine = new Engine(options.Host, options.CallTimeout, clock);
        _names = new ResourceNames(options.Installation);
        _quota = new DiskQuota(_engine, _names);
        _make = new RunnerContainer(options, _names, _quota);
        _images = new Images(_engine, options, clock);
        _runtimes = new Runtimes(_engine, options);
        _egress = options.Network is null ? new NetdEgress(_engine, _names, _images, options, clock) : new FreeEgress();
    }

    /// <inheritdoc/>
    public string Name => "docker";

    /// <inheritdoc/>
    public ProviderCapabilities Capabilities => new(_runtimes.Isolation, CanPause: true, OutlivesHost: true)
    {
        CanWarm = true,
        Watches = true,
        ControlsEgress = _egress.Controls,
        Limits = RunnerLimits.Cpu | RunnerLimits.Memory | RunnerLimits.Pids | (_quota.Holds ? RunnerLimits.Disk : RunnerLimits.None),
    };

    /// <inheritdoc/>
    public async Task<RunnerHandle> EnsureAsync(RunnerSpec spec, IProgress<StartStep>? progress, CancellationToken cancellationToken)
    {
        var handle = new RunnerHandle(spec.RunnerKey, spec.Epoch);
        using var _ = await EnterAsync(_names.Container(handle), cancellationToken);
        var steps = new Steps(progress, _clock);
        var found = await InspectAsync(_names.Container(handle), cancellationToken);
        if (found is null && spec.WarmSlot is not null && await ClaimAsync(spec, steps, cancellationToken)) return handle;
        for (var i = 0; ; i++)
        {
            found ??= await CreateAsync(spec, steps, cancellationToken);
            if (found is not null && !IsGoing(found)) break;
            if (i == Tries)
                throw new ProviderException(ProviderFault.Ambiguous, $"The name of {spec.RunnerKey} stays taken by a container that is being removed.");
            await Task.Delay(Again, _clock, cancellationToken);
            found = await InspectAsync(_names.Container(handle), cancellationToken);
        }

        if (IsSlot(found)) await FinishClaimAsync(spec, found, cancellationToken);
        else if (found.State.Running) await JoinAsync(spec, found, cancellationToken);
        if (!found.State.Running) await StartAsync(spec, found, steps, cancellationToken);
        return handle;
    }

    /// <inheritdoc/>
    public async Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        var name = _names.Container(handle);
        if (await InspectAsync(name, cancellationToken) is not { } found)
        {
            // What the runner's agent had not sent yet is still there: nobody released it.
            var state = await _engine.FindAsync("look at a volume", t => _engine.Client.Volumes.InspectAsync(ResourceNames.State(name), t), cancellationToken);
            return state is null
                ? new RunnerObservedState(RunnerState.Missing)
                : new RunnerObservedState(RunnerState.Missing, null, DeathCauses.Removed, "Somebody removed its container from the Docker Engine.");
        }

        if (IsGoing(found)) return new RunnerObservedState(RunnerState.Missing, null, DeathCauses.Removed,
            "Its container is being removed from the Docker Engine.");
        if (found.State.Paused) return new RunnerObservedState(RunnerState.Paused);
        if (found.State.Running) return new RunnerObservedState(RunnerState.Running);
        return DeathEvidence.Of(found.State, await LastWordsAsync(found.ID, cancellationToken), _engine.Gaps);
    }

    /// <inheritdoc/>
    public async Task StopAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        using var _ = await EnterAsync(_names.Container(handle), cancellationToken);
        await EndAsync(_names.Container(handle), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        var name = _names.Container(handle);
        using var _ = await EnterAsync(name, cancellationToken);
        var found = await InspectAsync(name, cancellationToken);
        var state = found?.Mounts.FirstOrDefault(m => m.Destination == AgentFiles.State)?.Name ?? ResourceNames.State(name);
        if (found is not null)
        {
            await EndAsync(found.ID, cancellationToken);
            await _egress.DetachAsync(found.ID, cancellationToken);
            await RemoveContainerAsync(found.ID, cancellationToken);
        }

        await RemoveVolumeAsync(state, cancellationToken);
        if (found is not null && SlotOf(found) is { } slot) await RemoveVolumeAsync(_names.Claim(slot), cancellationToken);
        if (found is null) await RemoveLeftoversAsync(handle, cancellationToken);
        _gates.TryRemove(name, out var _);
    }

    /// <inheritdoc/>
    public Task PauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => FreezeAsync(
        handle, paused: true, (id, token) => _engine.Client.Containers.PauseContainerAsync(id, token), cancellationToken);

    /// <inheritdoc/>
    public Task UnpauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => FreezeAsync(
        handle, paused: false, (id, token) => _engine.Client.Containers.UnpauseContainerAsync(id, token), cancellationToken);

    /// <inheritdoc/>
    public async Task ApplyEgressAsync(RunnerHandle handle, EgressPolicy policy, CancellationToken cancellationToken)
    {
        if (!_egress.Controls)
            throw new ProviderException(ProviderFault.Rejected, $"Runners are on the Docker network \"{_options.Network}\": what they reach is its matter.");
        var found = await InspectAsync(_names.Container(handle), cancellationToken);
        if (found is null || !(found.State.Running || found.State.Paused))
            throw new ProviderException(ProviderFault.Rejected, $"{handle.RunnerKey} does not run.");
        await _egress.AttachAsync(found.ID, (int)found.State.Pid, policy, cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RunnerHandle> ListOwnedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new HashSet<RunnerHandle>();
        foreach (var container in await ListContainersAsync(null, cancellationToken))
            if (container.Names.Select(_names.RunnerOf).FirstOrDefault(r => r is not null) is { } runner && seen.Add(runner)) yield return runner;
        // A container that somebody removed leaves its volume, and that is ours to remove too.
        foreach (var volume in await ListVolumesAsync(null, cancellationToken))
            if (ResourceNames.RunnerOf(volume.Labels) is { } runner && seen.Add(runner)) yield return runner;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<InstalledAgent>> ListAgentsAsync(CancellationToken cancellationToken) => _images.AgentsAsync(_make, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _egress.DisposeAsync();
        _engine.Dispose();
    }

    private static bool IsGoing(ContainerInspectResponse container) => container.State.Status is "removing" or "dead";

    private async Task FreezeAsync(RunnerHandle handle, bool paused, Func<string, CancellationToken, Task> call, CancellationToken cancellationToken)
    {
        using var _ = await EnterAsync(_names.Container(handle), cancellationToken);
        var found = await InspectAsync(_names.Container(handle), cancellationToken);
        if (found is null || !(found.State.Running || found.State.Paused))
            throw new ProviderException(ProviderFault.Rejected, $"{handle.RunnerKey} does not run.");
        if (found.State.Paused == paused) return;
        await _engine.DoAsync($"{(paused ? "pause" : "unpause")} {handle.RunnerKey}", token => call(found.ID, token), cancellationToken);
    }

    private async Task EndAsync(string container, CancellationToken cancellationToken)
    {
        // A paused process hears no signal: it would be killed at the end of the grace.
        await _engine.DoAsync("unpause a container", t => _engine.Client.Containers.UnpauseContainerAsync(container, t), cancellationToken,
            HttpStatusCode.NotFound, HttpStatusCode.Conflict, HttpStatusCode.InternalServerError);
        var grace = new ContainerStopParameters { WaitBeforeKillSeconds = (uint)Math.Ceiling(_options.StopGrace.TotalSeconds) };
        await _engine.DoAsync("stop a container", t => _engine.Client.Containers.StopContainerAsync(container, grace, t), cancellationToken,
            HttpStatusCode.NotFound, HttpStatusCode.NotModified);
    }

    private async Task<Gate> EnterAsync(string name, CancellationToken cancellationToken)
    {
        var gate = _gates.GetOrAdd(name, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken);
        return new Gate(gate);
    }

    private readonly struct Gate(SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose() => semaphore.Release();
    }
}
