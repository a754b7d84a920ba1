using System.Collections.Immutable;
using Marionette.Runners;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Marionette.Providers;

/// <summary>
/// Drives one backend. Its calls run beside the turns, never in them; outcomes go to the runners' grains. Starts wait in a queue for room and for
/// the backend to be well; looks and the backend's own notices find deaths; every minute the backend's inventory is compared with the
/// records, so that no orphan lives on.
/// </summary>
[GrainType("provider")]
internal sealed partial class ProviderGrain(
    IEnumerable<IRunnerProvider> providers, IOptionsMonitor<ProviderOptions> settings, TimeProvider clock, ILogger<ProviderGrain> logger) : Grain, IProviderGrain, IDisposable
{
    private static readonly TimeSpan PumpEvery = TimeSpan.FromSeconds(1);

    /// <summary>What runs, starts or waits, by runner key.</summary>
    private readonly Dictionary<string, Held> _held = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _gone = new();
    private IRunnerProvider? _provider;
    private ProviderOptions _options = new();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var name = this.GetPrimaryKeyString();
        _provider = providers.FirstOrDefault(p => p.Name == name);
        if (_provider is not { } provider) return Task.CompletedTask;
        _options = settings.Get(name);
        _health = new BackendHealth(clock);
        var look = provider.Capabilities.Watches ? LookEveryWatched : LookEvery;
        this.RegisterGrainTimer(Look, new GrainTimerCreationOptions(look, look) { KeepAlive = true });
        this.RegisterGrainTimer(PumpAsync, PumpEvery, PumpEvery);
        this.RegisterGrainTimer(Reconcile, TimeSpan.Zero, ReconcileEvery);
        if (provider.Capabilities.Watches) RunBeside(ListenAsync(provider), "notices");
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _gone.Cancel();
        return Task.CompletedTask;
    }

    public void Dispose() => _gone.Dispose();

    public Task ProvisionAsync(ProvisionRunner command, CancellationToken cancellationToken)
    {
        Provider();
        Order(command);
        return Task.CompletedTask;
    }

    public Task ReleaseAsync(string runnerKey, long epoch, CancellationToken cancellationToken)
    {
        var provider = Provider();
        _queue.Remove(runnerKey);
        _resting.Remove(runnerKey);
        if (_held.Remove(runnerKey, out var held) && held.Place == StartPlace.Starting)
            held.IsReleased = true; // Removed when the start has come to its end: never two calls of one runner at once.
        else
            RunBeside(provider.ReleaseAsync(new RunnerHandle(runnerKey, epoch), CancellationToken.None), runnerKey);
        Pump();
        return Task.CompletedTask;
    }

    public Task WatchAsync(string runnerKey, long epoch, CancellationToken cancellationToken)
    {
        Provider();
        if (_held.ContainsKey(runnerKey)) return Task.CompletedTask;
        var held = _held[runnerKey] = new Held(epoch) { Place = StartPlace.Watched };
        RunBeside(EnforceRecordedAsync(runnerKey, held), runnerKey);
        return Task.CompletedTask;
    }

    public ValueTask<StartPlace> PlaceAsync(string runnerKey, CancellationToken cancellationToken)
    {
        Provider();
        return ValueTask.FromResult(_held.TryGetValue(runnerKey, out var held) ? held.Place : StartPlace.Unknown);
    }

    public ValueTask<ProviderView> GetAsync(CancellationToken cancellationToken)
    {
        var provider = Provider();
        var can = provider.Capabilities;
        return ValueTask.FromResult(new ProviderView(provider.Name, can.Isolation, can.CanPause, _held.Values.Count(held => held.Place == StartPlace.Watched))
        {
            Capabilities = NamesOf(can),
            Limits = [.. Enum.GetValues<RunnerLimits>().Where(limit => limit != 0 && can.Limits.HasFlag(limit)).Select(limit => limit.ToString().ToLowerInvariant())],
            Queued = _queue.Count + _resting.Count, Starting = _starting, Warm = _warm.Count, MaxRunners = _options.MaxRunners,
            Trouble = _health.Trouble, RetryAt = _health.RetryAt, Reconcile = _reconciled,
        });
    }

    private static ImmutableArray<string> NamesOf(ProviderCapabilities can)
    {
        (string Name, bool Has)[] all =
        [
            ("pause", can.CanPause), ("memory_snapshot", can.CanSnapshotMemory), ("nested_containers", can.NestedContainers), ("gpu", can.Gpu),
            ("egress", can.ControlsEgress), ("desktop", can.Desktop), ("warm", can.CanWarm),
        ];
        return [.. all.Where(one => one.Has).Select(one => one.Name)];
    }

    private IRunnerGrain Runner(string key) => GrainFactory.GetGrain<IRunnerGrain>(key);

    private IRunnerProvider Provider() =>
        _provider ?? throw new MarionetteException(FaultCode.NotFound, $"No provider \"{this.GetPrimaryKeyString()}\" is configured.");

    /// <summary>Lets work go on beside the turns, on this grain's scheduler.</summary>
    private async void RunBeside(Task work, string runnerKey)
    {
        try
        {
            await work;
        }
        catch (OperationCanceledException) when (_gone.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            Failed(e, runnerKey);
        }
    }

    private void Failed(Exception e, string runnerKey) => Log.WorkFailed(logger, e, runnerKey, this.GetPrimaryKeyString());

    /// <summary>A runner as this activation knows it.</summary>
    private sealed class Held(long epoch)
    {
        public long Epoch => epoch;

        public StartPlace Place { get; set; }

        /// <summary>When it was ordered.</summary>
        public long Since { get; init; }

        /// <summary>Given back while it was being started.</summary>
        public bool IsReleased { get; set; }

        /// <summary>The newest network rules that were asked for; null = those of its order.</summary>
        public NetworkRules? Network { get; set; }

        /// <summary>A pause (true) or the end of one (false) that is under way; null = neither.</summary>
        public bool? Freezing { get; set; }

        /// <summary>Times that the backend has refused this start for reasons of its own, and the last reason; null once it was made.</summary>
        public int Refusals { get; set; }

        public string? Refusal { get; set; }

        /// <summary>The backend's trouble that its session was last told of.</summary>
        public string? ToldOf { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(5001, LogLevel.Warning, "Work on runner {Runner} at provider {Provider} failed; the sweep tries again", EventName = "provider.work.failed")]
        public static partial void WorkFailed(ILogger logger, Exception exception, string runner, string provider);

        [LoggerMessage(5002, LogLevel.Warning, "Runner {Runner} had no live record and was removed from provider {Provider}", EventName = "provider.orphan.removed")]
        public static partial void OrphanRemoved(ILogger logger, string runner, string provider);

        [LoggerMessage(5003, LogLevel.Warning, "Provider {Provider} is ill: {Trouble}", EventName = "provider.ill")]
        public static partial void Ill(ILogger logger, string provider, string trouble);

        [LoggerMessage(5004, LogLevel.Information, "Runner {Runner} at provider {Provider} is watched again", EventName = "provider.runner.adopted")]
        public static partial void Adopted(ILogger logger, string runner, string provider);

        [LoggerMessage(5005, LogLevel.Warning, "Warm slot {Slot} at provider {Provider} could not be made: {Reason}", EventName = "provider.warm.failed")]
        public static partial void WarmFailed(ILogger logger, string slot, string provider, string reason);
    }
}
