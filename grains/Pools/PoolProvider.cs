using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Marionette.Providers;
using Marionette.Runners;
using Microsoft.Extensions.Options;

namespace Marionette.Pools;

/// <summary>
/// Runners on the hosts of a pool. It lives beside the grains, and not among the providers, since its backend is our own grains: the pool's chooses a
/// host, the host's gives it orders. It knows nothing by itself but what it remembers for speed.
/// </summary>
internal sealed partial class PoolProvider(string name, IGrainFactory grains, IOptionsMonitor<PoolOptions> settings, TimeProvider clock) : IRunnerProvider
{
    /// <summary>Hosts that may refuse one start before it waits.</summary>
    private const int MaxRefusals = 5;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15), LongestOrder = TimeSpan.FromMinutes(2), AwayPause = TimeSpan.FromSeconds(1);

    /// <summary>Where runners were last: a look then costs one call.</summary>
    private readonly ConcurrentDictionary<RunnerHandle, string> _where = new();

    /// <summary>Starts under way that want to hear how far they are.</summary>
    private readonly ConcurrentDictionary<string, IProgress<StartStep>?> _starting = new(StringComparer.Ordinal);
    private string _isolation = "sandbox";

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public ProviderCapabilities Capabilities => new(_isolation, CanPause: true, OutlivesHost: true)
    {
        ControlsEgress = true,
        IsPool = true,
        Watches = true,
        Limits = RunnerLimits.Cpu | RunnerLimits.Memory | RunnerLimits.Disk | RunnerLimits.Pids,
    };

    private IPoolGrain Pool => grains.GetGrain<IPoolGrain>(name);

    /// <inheritdoc/>
    public async Task<RunnerHandle> EnsureAsync(RunnerSpec spec, IProgress<StartStep>? progress, CancellationToken cancellationToken)
    {
        var handle = new RunnerHandle(spec.RunnerKey, spec.Epoch);
        _starting[spec.RunnerKey] = progress;
        try
        {
            return await StartAsync(spec, handle, progress, cancellationToken);
        }
        finally
        {
            _starting.TryRemove(spec.RunnerKey, out _);
        }
    }

    /// <inheritdoc/>
    public async Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        handle = Plain(handle);
        var seen = _where.TryGetValue(handle, out var host) ? await ObserveAsync(host, handle, cancellationToken) : null;
        if (seen is null || (seen.State == "missing" && seen.Cause is null))
        {
            if (await FindAsync(handle, cancellationToken) is { } elsewhere && elsewhere != host) seen = await ObserveAsync(elsewhere, handle, cancellationToken);
        }

        return seen?.State switch
        {
            "running" => new RunnerObservedState(RunnerState.Running),
            "paused" => new RunnerObservedState(RunnerState.Paused),
            "exited" => new RunnerObservedState(RunnerState.Exited, seen.ExitCode, seen.Cause ?? DeathCauses.Exited, seen.Detail),
            // Recorded, and whoever started it is gone: like an agent that died, it is started again in its place.
            "ordered" when !_starting.ContainsKey(handle.RunnerKey) => new RunnerObservedState(RunnerState.Exited, null, DeathCauses.Exited, "Its start was not finished."),
            "missing" or null => new RunnerObservedState(RunnerState.Missing, seen?.ExitCode, seen?.Cause, seen?.Detail),
            _ => new RunnerObservedState(RunnerState.Unknown),
        };
    }

    /// <inheritdoc/>
    public Task StopAsync(RunnerHandle handle, CancellationToken cancellationToken) => TellAsync(handle, RunnerOrderKind.Stop, cancellationToken);

    /// <inheritdoc/>
    public async Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        await TellAsync(handle, RunnerOrderKind.Release, cancellationToken);
        _where.TryRemove(Plain(handle), out _);
    }

    /// <inheritdoc/>
    public Task PauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => TellAsync(handle, RunnerOrderKind.Pause, cancellationToken);

    /// <inheritdoc/>
    public Task UnpauseAsync(RunnerHandle handle, CancellationToken cancellationToken) => TellAsync(handle, RunnerOrderKind.Unpause, cancellationToken);

    /// <inheritdoc/>
    public async Task ApplyEgressAsync(RunnerHandle handle, EgressPolicy policy, CancellationToken cancellationToken)
    {
        var host = await HostOfAsync(handle, cancellationToken) ?? throw NoRunner(handle);
        await DoAsync(host, new NetworkOrder(NewOrderId(), handle.RunnerKey, handle.Epoch, policy.ToRules()), cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<RunnerHandle> ListOwnedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var runners = await CountedAsync(() => Pool.ListRunnersAsync(cancellationToken).AsTask(), cancellationToken);
        await LearnIsolationAsync(cancellationToken);
        var owned = runners.Select(runner => new RunnerHandle(runner.RunnerKey, runner.Epoch)).ToHashSet();
        foreach (var known in _where.Keys) if (!owned.Contains(known) && !_starting.ContainsKey(known.RunnerKey)) _where.TryRemove(known, out _);
        foreach (var handle in owned) yield return handle;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ProviderNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var notices = Pool.WatchAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await NextAsync(notices, cancellationToken))
        {
            switch (notices.Current)
            {
                case PoolRunnerEnded ended:
                    yield return new RunnerEndedNotice(ended.RunnerKey, ended.Epoch);
                    break;
                case PoolRunnerBlocked blocked:
                    var target = blocked.Target;
                    yield return new EgressBlockedNotice(blocked.RunnerKey, blocked.Epoch, target.Target, target.Port, target.Protocol, target.Reason, target.Count);
                    break;
                case PoolRunnerThrottled { Throttle: var throttle } throttled:
                    yield return new RunnerThrottledNotice(
                        throttled.RunnerKey, throttled.Epoch, throttle.IsOver, throttle.Cpus, throttle.Reason, throttle.Count);
                    break;
                case PoolRunnerProgress progress when _starting.TryGetValue(progress.RunnerKey, out var start):
                    start?.Report(new StartStep(progress.Step.Phase, null, progress.Step.Detail));
                    break;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<InstalledAgent>> ListAgentsAsync(CancellationToken cancellationToken)
    {
        var hosts = await AskAsync(() => Pool.ListHostsAsync(cancellationToken).AsTask());
        return [.. hosts.Where(host => host.Status == HostStatus.Online).SelectMany(host => host.Facts.Agents)
            .GroupBy(agent => (agent.Kind, agent.Program)).Select(same => same.First()).Select(agent => new InstalledAgent(agent.Kind, agent.Program, agent.Path, agent.Version))];
    }

    private async Task<RunnerHandle> StartAsync(RunnerSpec spec, RunnerHandle handle, IProgress<StartStep>? progress, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var (shape, network) = (Shape(spec), spec.Egress.ToRules());
        var orders = new Dictionary<string, EnsureRunnerOrder>(StringComparer.Ordinal);
        // What the last host said that could not: one host's trouble is not the pool's, so the next one is asked.
        var (refused, said) = (ImmutableArray<string>.Empty, default(ProviderException?));
        while (refused.Length < MaxRefusals)
        {
            var placing = new PlaceRunner(spec.RunnerKey, spec.Epoch, spec.WorkspaceId, shape, network, refused);
            string host;
            try
            {
                host = await CountedAsync(() => Pool.PlaceAsync(placing, cancellationToken).AsTask(), cancellationToken);
            }
            catch (ProviderException e) when (said is not null && e.Fault is ProviderFault.Capacity or ProviderFault.Rejected)
            {
                throw said; // nobody else could take it
            }

            // One order for each host: to ask again is to wait on.
            if (!orders.TryGetValue(host, out var order))
                orders[host] = order = new EnsureRunnerOrder(NewOrderId(), spec.RunnerKey, spec.Epoch, spec.Token, spec.WorkspaceId, shape, network);
            try
            {
                if (await Host(host).OrderAsync(order, Patience, cancellationToken) is { } result)
                {
                    if (result.Fault is null) return Started(handle, host, result, progress);
                    if (result.Fault is "ambiguous" or "abandoned") throw Failed(result);
                    (refused, said) = (refused.Add(host), Failed(result));
                    continue;
                }
            }
            catch (MarionetteException e) when (e.Code == FaultCode.Conflict)
            {
                refused = refused.Add(host);
                said ??= new ProviderException(ProviderFault.Capacity, e.Message, e);
                continue;
            }
            catch (MarionetteException e) when (e.Code == FaultCode.Unavailable)
            {
                // Within its lease it may come back; after it another host is chosen.
                await Task.Delay(AwayPause, clock, cancellationToken);
            }
            catch (Exception e) when (e is not (ProviderException or OperationCanceledException))
            {
                throw Translated(e);
            }

            if (clock.GetElapsedTime(began) > LongestOrder)
            {
                throw new ProviderException(ProviderFault.Ambiguous, $"Host {host} has not said for {LongestOrder.TotalMinutes:0} min whether it started {spec.RunnerKey}.")
                {
                    IsOfOneRunner = true,
                };
            }
        }

        throw new ProviderException(ProviderFault.Capacity, $"{MaxRefusals} hosts in a row refused it; the last one said: {said!.Message}", said);
    }

    private RunnerHandle Started(RunnerHandle handle, string host, HostOrderResult result, IProgress<StartStep>? progress)
    {
        _where[handle] = host;
        foreach (var step in result.Steps) progress?.Report(new StartStep(step.Phase, step.TookMs is { } took ? TimeSpan.FromMilliseconds(took) : null, step.Detail));
        return handle with { Isolation = Isolation(result.Runner?.Sandbox) };
    }

    private RunnerShape Shape(RunnerSpec spec)
    {
        var (profile, sandbox) = (spec.Profile, settings.Get(name).Sandbox);
        return new RunnerShape
        {
            Profile = profile.Name, Image = profile.Image, Cpus = profile.Cpus, MemoryMib = profile.MemoryMib, DiskMib = profile.DiskMib, Pids = profile.Pids,
            Sandbox = profile.Sandbox == "auto" ? sandbox : profile.Sandbox, Env = profile.Env, HostLabels = profile.HostLabels,
        };
    }
}
