using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Providers;

/// <content>Deaths, denials, network rules in force, and the agents that runners find.</content>
internal sealed partial class ProviderGrain
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    /// <summary>A backend that tells by itself is looked at as a net below it.</summary>
    private static readonly TimeSpan LookEveryWatched = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ListenAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EnforceAgain = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AgentsFor = TimeSpan.FromMinutes(1);

    private ImmutableArray<ProviderAgentView>? _agents;
    private long _lookedAt;
    private bool _looking, _watching;

    public Task ApplyNetworkAsync(string runnerKey, long epoch, NetworkRules rules, CancellationToken cancellationToken)
    {
        var provider = Provider();
        if (!provider.Capabilities.ControlsEgress) return Task.CompletedTask;
        if (!_held.TryGetValue(runnerKey, out var held)) _held[runnerKey] = held = new Held(epoch) { Place = StartPlace.Watched };
        held.Network = rules;
        if (held.Place == StartPlace.Watched) RunBeside(EnforceAsync(provider, runnerKey, held), runnerKey);
        return Task.CompletedTask;
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

    /// <summary>Tries until the rules stand, the runner is gone, or newer rules came: those have their own call.</summary>
    private async Task EnforceAsync(IRunnerProvider provider, string key, Held held)
    {
        var rules = held.Network;
        while (rules is not null && held.Network == rules && _held.GetValueOrDefault(key) == held)
        {
            try
            {
                await provider.ApplyEgressAsync(new RunnerHandle(key, held.Epoch), rules.ToPolicy(), _gone.Token);
                return;
            }
            catch (ProviderException e) when (e.Fault != ProviderFault.Rejected)
            {
                await Task.Delay(EnforceAgain, clock, _gone.Token);
            }
        }
    }

    /// <summary>
    /// The rules of its record are put in force once more: what enforces them may have been started anew while nobody watched. Beside the turns, since
    /// the runner's grain may be asking this one.
    /// </summary>
    private async Task EnforceRecordedAsync(string key, Held held, RunnerView? record = null)
    {
        if (!Provider().Capabilities.ControlsEgress) return;
        record ??= await Runner(key).GetAsync();
        // Newer rules have their own call; a start that is not finished brings its own.
        if (held.Network is not null || record.Status == RunnerStatus.Provisioning || record.Epoch != held.Epoch) return;
        held.Network = record.Network;
        try
        {
            await EnforceAsync(Provider(), key, held);
        }
        catch (ProviderException e) when (e.Fault == ProviderFault.Rejected)
        {
            // It does not run: the next look says so.
        }
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

    private Task Look()
    {
        if (_watching) return Task.CompletedTask;
        _watching = true;
        RunBeside(LookAsync(), "look");
        return Task.CompletedTask;
    }

    /// <summary>A look costs a local read or one call of the backend.</summary>
    private async Task LookAsync()
    {
        try
        {
            foreach (var (key, held) in _held.ToArray())
                if (held.Place == StartPlace.Watched) await LookAtAsync(key, held, _gone.Token);
        }
        finally
        {
            _watching = false;
        }
    }

    private async Task LookAtAsync(string key, Held held, CancellationToken cancellationToken)
    {
        RunnerObservedState state;
        try
        {
            state = await Provider().ObserveAsync(new RunnerHandle(key, held.Epoch), cancellationToken);
        }
        catch (ProviderException)
        {
            return; // The backend is away, which says nothing about the runner.
        }

        if (state.State is not (RunnerState.Exited or RunnerState.Missing) || _held.GetValueOrDefault(key) != held || held.Place != StartPlace.Watched) return;
        _held.Remove(key);
        var name = state.State == RunnerState.Exited ? "exited" : "missing";
        RunBeside(
            Runner(key).ObservedAsync(new RunnerObservation(name, state.Cause ?? DeathCauses.HostLost, state.Detail, null, state.ExitCode), CancellationToken.None), key);
        Pump();
    }

    /// <summary>The backend's own notices, for as long as this activation lives. A stream that breaks is asked for again.</summary>
    private async Task ListenAsync(IRunnerProvider provider)
    {
        while (!_gone.IsCancellationRequested)
        {
            try
            {
                await foreach (var notice in provider.WatchAsync(_gone.Token)) Heard(notice);
            }
            catch (ProviderException)
            {
            }

            await Task.Delay(ListenAgain, clock, _gone.Token);
        }
    }

    private void Heard(ProviderNotice notice)
    {
        switch (notice)
        {
            case RunnerEndedNotice when _held.TryGetValue(notice.RunnerKey, out var held) && held.Place == StartPlace.Watched:
                RunBeside(LookAtAsync(notice.RunnerKey, held, CancellationToken.None), notice.RunnerKey);
                break;
            case EgressBlockedNotice blocked:
                RunBeside(
                    Runner(blocked.RunnerKey).BlockedAsync(new BlockedTarget(blocked.Target, blocked.Port, blocked.Protocol, blocked.Reason, blocked.Count)),
                    blocked.RunnerKey);
                break;
            case RunnerThrottledNotice throttled:
                RunBeside(
                    Runner(throttled.RunnerKey).ThrottledAsync(new RunnerThrottle(throttled.IsOver, throttled.Cpus, throttled.Reason, throttled.Count)),
                    throttled.RunnerKey);
                break;
        }
    }
}
