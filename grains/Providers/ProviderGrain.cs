using System.Collections.Immutable;
using Marionette.Runners;
using Microsoft.Extensions.Logging;

namespace Marionette.Providers;

/// <summary>
/// Drives one backend. Its calls run beside the turns, never in them; outcomes go to the runner's grain. Every second it looks at the runners it
/// watches, every minute it compares the backend's own inventory with the records, so that no orphan lives on.
/// </summary>
[GrainType("provider")]
internal sealed partial class ProviderGrain(IEnumerable<IRunnerProvider> providers, TimeProvider clock, ILogger<ProviderGrain> logger)
    : Grain, IProviderGrain
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan AgentsFor = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, Watched> _watched = [];
    private IRunnerProvider? _provider;
    private ImmutableArray<ProviderAgentView>? _agents;
    private long _lookedAt;
    private bool _looking;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var name = this.GetPrimaryKeyString();
        _provider = providers.FirstOrDefault(p => p.Name == name);
        if (_provider is null) return Task.CompletedTask;
        this.RegisterGrainTimer(LookAsync, new GrainTimerCreationOptions(LookEvery, LookEvery) { KeepAlive = true });
        this.RegisterGrainTimer(SweepAsync, SweepEvery, SweepEvery);
        return Task.CompletedTask;
    }

    public Task ProvisionAsync(ProvisionRunner command, CancellationToken cancellationToken)
    {
        var provider = Provider();
        var watched = Watch(command.RunnerKey, command.Epoch);
        if (!watched.Busy) RunBeside(ProvisionAsync(provider, command, watched), command.RunnerKey);
        return Task.CompletedTask;
    }

    public Task ReleaseAsync(string runnerKey, long epoch, CancellationToken cancellationToken)
    {
        var provider = Provider();
        _watched.Remove(runnerKey);
        RunBeside(provider.ReleaseAsync(new RunnerHandle(runnerKey, epoch), CancellationToken.None), runnerKey);
        return Task.CompletedTask;
    }

    public Task WatchAsync(string runnerKey, long epoch, CancellationToken cancellationToken)
    {
        Provider();
        Watch(runnerKey, epoch);
        return Task.CompletedTask;
    }

    public ValueTask<ProviderView> GetAsync(CancellationToken cancellationToken)
    {
        var provider = Provider();
        return ValueTask.FromResult(new ProviderView(provider.Name, provider.Capabilities.Isolation, provider.Capabilities.CanPause, _watched.Count));
    }

    public ValueTask<ProviderAgentsView> GetAgentsAsync(CancellationToken cancellationToken)
    {
        var provider = Provider();
        if (!_looking && (_agents is null || clock.GetElapsedTime(_lookedAt) > AgentsFor))
        {
            _looking = true;
            RunBeside(LookForAgentsAsync(provider), "agents");
        }

        return ValueTask.FromResult(new ProviderAgentsView(_agents is not null, _agents ?? []));
    }

    /// <summary>What a failed look does not tell stays as it was known.</summary>
    private async Task LookForAgentsAsync(IRunnerProvider provider)
    {
        try
        {
            var found = await provider.ListAgentsAsync(CancellationToken.None);
            _agents = [.. found.Select(agent => new ProviderAgentView(agent.Kind, agent.Program, agent.Path, agent.Version))];
        }
        finally
        {
            _agents ??= [];
            _lookedAt = clock.GetTimestamp();
            _looking = false;
        }
    }

    private async Task ProvisionAsync(IRunnerProvider provider, ProvisionRunner command, Watched watched)
    {
        watched.Busy = true;
        var began = clock.GetTimestamp();
        RunnerObservation outcome;
        try
        {
            await provider.EnsureAsync(new RunnerSpec(command.RunnerKey, command.Epoch, command.Token, command.WorkspaceId), null, CancellationToken.None);
            outcome = new RunnerObservation("running", null, null, (long)clock.GetElapsedTime(began).TotalMilliseconds, null);
        }
        catch (ProviderException e)
        {
            outcome = new RunnerObservation("failed", "provision_failed", e.Message, null, null);
            _watched.Remove(command.RunnerKey);
        }
        finally
        {
            watched.Busy = false;
        }

        await Runner(command.RunnerKey).ObservedAsync(outcome, CancellationToken.None);
    }

    /// <summary>A look costs a local read or one call of the backend; what it finds goes out beside the turn.</summary>
    private async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var (key, watched) in _watched.ToArray())
        {
            if (watched.Busy) continue;
            RunnerObservedState state;
            try
            {
                state = await Provider().ObserveAsync(new RunnerHandle(key, watched.Epoch), cancellationToken);
            }
            catch (ProviderException)
            {
                continue; // The backend is away, which says nothing about the runner.
            }

            if (state.State is not (RunnerState.Exited or RunnerState.Missing) || !_watched.TryGetValue(key, out var same) || same != watched || watched.Busy) continue;
            _watched.Remove(key);
            var name = state.State == RunnerState.Exited ? "exited" : "missing";
            RunBeside(
                Runner(key).ObservedAsync(new RunnerObservation(name, state.Cause ?? "host_lost", state.Detail, null, state.ExitCode), CancellationToken.None), key);
        }
    }

    /// <summary>Ours on the backend, and ended or unknown in the records: removed. A live record keeps its runner, whatever else is said.</summary>
    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        await foreach (var owned in Provider().ListOwnedAsync(cancellationToken))
        {
            if (_watched.ContainsKey(owned.RunnerKey)) continue;
            RunBeside(SweepOneAsync(owned), owned.RunnerKey);
        }
    }

    private async Task SweepOneAsync(RunnerHandle owned)
    {
        try
        {
            var view = await Runner(owned.RunnerKey).GetAsync();
            if (view.Status is not (RunnerStatus.Released or RunnerStatus.Lost)) return;
        }
        catch (MarionetteException e) when (e.Code == FaultCode.NotFound)
        {
        }

        Log.OrphanRemoved(logger, owned.RunnerKey, this.GetPrimaryKeyString());
        await Provider().ReleaseAsync(owned, CancellationToken.None);
    }

    private Watched Watch(string runnerKey, long epoch)
    {
        if (!_watched.TryGetValue(runnerKey, out var watched)) _watched[runnerKey] = watched = new Watched(epoch);
        return watched;
    }

    private IRunnerGrain Runner(string key) => GrainFactory.GetGrain<IRunnerGrain>(key);

    private IRunnerProvider Provider() =>
        _provider ?? throw new MarionetteException(FaultCode.NotFound, $"No provider \"{this.GetPrimaryKeyString()}\" is configured.");

    private async void RunBeside(Task work, string runnerKey)
    {
        try
        {
            await work;
        }
        catch (Exception e)
        {
            Log.WorkFailed(logger, e, runnerKey, this.GetPrimaryKeyString());
        }
    }

    private sealed class Watched(long epoch)
    {
        public long Epoch => epoch;

        /// <summary>The backend is at work on it: looks in between would mislead.</summary>
        public bool Busy { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(5001, LogLevel.Warning, "Work on runner {Runner} at provider {Provider} failed; the sweep tries again", EventName = "provider.work.failed")]
        public static partial void WorkFailed(ILogger logger, Exception exception, string runner, string provider);

        [LoggerMessage(5002, LogLevel.Warning, "Runner {Runner} had no live record and was removed from provider {Provider}", EventName = "provider.orphan.removed")]
        public static partial void OrphanRemoved(ILogger logger, string runner, string provider);
    }
}
