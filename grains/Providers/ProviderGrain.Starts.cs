using Marionette.Runners;

namespace Marionette.Providers;

/// <content>Starts: their queue, the backend's health, and the one call that makes a runner.</content>
internal sealed partial class ProviderGrain
{
    private static readonly TimeSpan WorthTelling = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan FirstRest = TimeSpan.FromSeconds(1), LongestRest = TimeSpan.FromSeconds(15);

    private readonly StartQueue<ProvisionRunner> _queue = new();

    /// <summary>Starts that were refused for reasons of their own, until they are tried again; others go on.</summary>
    private readonly Dictionary<string, (ProvisionRunner Command, DateTimeOffset Until)> _resting = new(StringComparer.Ordinal);
    private BackendHealth _health = new(TimeProvider.System);
    private int _starting;

    private void Order(ProvisionRunner command)
    {
        if (_held.TryGetValue(command.RunnerKey, out var known) && known.Place == StartPlace.Starting) return;
        _held[command.RunnerKey] = new Held(command.Epoch) { Place = StartPlace.Queued, Since = known?.Since ?? clock.GetTimestamp(), Network = known?.Network };
        _resting.Remove(command.RunnerKey);
        _queue.Put(command.RunnerKey, command);
        Pump();
    }

    private Task PumpAsync(CancellationToken cancellationToken)
    {
        Wake();
        Pump();
        TellOfTrouble();
        GiveUp();
        return KeepWarmAsync();
    }

    /// <summary>Starts what may start now.</summary>
    private void Pump()
    {
        while (_isCounted && _queue.Count > 0 && _health.MayTry && !(_health.IsProbing && _starting > 0))
        {
            var limits = new StartLimits(_options.MaxRunners, _options.MaxRunnersPerTenant, _options.MaxStarting);
            if (_queue.Take(CountByTenant(), _starting, limits) is not { } command) return;
            var held = _held[command.RunnerKey];
            held.Place = StartPlace.Starting;
            _starting++;
            RunBeside(StartAsync(Provider(), command, held), command.RunnerKey);
        }
    }

    private void Wake()
    {
        var now = clock.GetUtcNow();
        // The last one first: each is put before the others of its tenant.
        foreach (var (key, (command, until)) in _resting.Where(rest => rest.Value.Until <= now).OrderByDescending(rest => _held[rest.Key].Since).ToList())
        {
            _resting.Remove(key);
            _queue.PutBack(key, command);
        }
    }

    private Dictionary<string, int> CountByTenant()
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (key, held) in _held)
        {
            if (held.Place is StartPlace.Queued) continue;
            var tenant = StartQueue<ProvisionRunner>.TenantOf(key);
            counts[tenant] = counts.GetValueOrDefault(tenant) + 1;
        }

        return counts;
    }

    private async Task StartAsync(IRunnerProvider provider, ProvisionRunner command, Held held)
    {
        var (key, began) = (command.RunnerKey, clock.GetTimestamp());
        var steps = new Steps(this, key);
        if (clock.GetElapsedTime(held.Since, began) is var waited && waited > WorthTelling) steps.Report(new StartStep("queue", waited));
        RunnerObservation? outcome = null;
        try
        {
            var network = held.Network ?? command.Network;
            var profile = command.Shape.ToProfile();
            var spec = new RunnerSpec(key, command.Epoch, command.Token, command.WorkspaceId)
            {
                Profile = profile, Egress = network.ToPolicy(), WarmSlot = ClaimWarm(profile),
            };
            var made = await provider.EnsureAsync(spec, steps, CancellationToken.None);
            _health.Succeeded();
            held.Refusal = null;
            outcome = new RunnerObservation("running", null, null, (long)clock.GetElapsedTime(began).TotalMilliseconds, null)
            {
                Isolation = made.Isolation ?? provider.Capabilities.Isolation,
            };
            held.Place = StartPlace.Watched;
            if (held.Network is { } newer && !RunnerShapes.Same(newer, network)) RunBeside(EnforceAsync(provider, key, held), key);
        }
        catch (ProviderException e) when (e.Fault != ProviderFault.Rejected && e.IsOfOneRunner)
        {
            // It says nothing of the backend: only this start waits.
            Rest(command, held, e);
        }
        catch (ProviderException e) when (e.Fault != ProviderFault.Rejected)
        {
            // It says something of the backend: this start keeps its place, and none is tried for a while.
            _health.Failed(e.Message, e.RetryAfter);
            Log.Ill(logger, provider.Name, e.Message);
            held.Place = StartPlace.Queued;
            if (!held.IsReleased && _held.GetValueOrDefault(key) == held) _queue.PutBack(key, command);
        }
        catch (ProviderException e)
        {
            outcome = new RunnerObservation("failed", "provision_failed", e.Message, null, null);
            Drop(key, held);
        }
        catch
        {
            // A defect of ours or the provider's: the runner's grain asks again, until its own patience ends.
            Drop(key, held);
            throw;
        }
        finally
        {
            _starting--;
            await steps.ToldAsync();
            if (held.IsReleased) RunBeside(provider.ReleaseAsync(new RunnerHandle(key, command.Epoch), CancellationToken.None), key);
        }

        Pump();
        if (outcome is not null && !held.IsReleased) await Runner(key).ObservedAsync(outcome, CancellationToken.None);
    }

    private void Rest(ProvisionRunner command, Held held, ProviderException e)
    {
        var pause = FirstRest * Math.Pow(2, Math.Min(held.Refusals++, 8));
        if (pause > LongestRest) pause = LongestRest;
        if (e.RetryAfter > pause) pause = e.RetryAfter.Value;
        (held.Place, held.Refusal) = (StartPlace.Queued, e.Message);
        if (!held.IsReleased && _held.GetValueOrDefault(command.RunnerKey) == held) _resting[command.RunnerKey] = (command, clock.GetUtcNow() + pause);
    }

    private IEnumerable<ProvisionRunner> Waiting => _queue.Items.Concat(_resting.Values.Select(rest => rest.Command));

    /// <summary>Whoever waits is told why, once for each reason.</summary>
    private void TellOfTrouble()
    {
        foreach (var command in Waiting)
        {
            if (!_held.TryGetValue(command.RunnerKey, out var held)) continue;
            var reason = $"{this.GetPrimaryKeyString()}: {_health.Trouble ?? held.Refusal ?? "it holds as many runners as it may"}";
            if (held.ToldOf == reason || clock.GetElapsedTime(held.Since) < PumpEvery) continue;
            held.ToldOf = reason;
            RunBeside(Runner(command.RunnerKey).ProgressAsync(new RunnerStep("queue", null, reason)), command.RunnerKey);
        }
    }

    private void GiveUp()
    {
        foreach (var command in Waiting.ToList())
        {
            if (!_held.TryGetValue(command.RunnerKey, out var held) || clock.GetElapsedTime(held.Since) < _options.StartPatience) continue;
            _queue.Remove(command.RunnerKey);
            _resting.Remove(command.RunnerKey);
            Drop(command.RunnerKey, held);
            var reason = $"It waited {_options.StartPatience.TotalMinutes:0.#} min for a start. {_health.Trouble ?? held.Refusal ?? "The provider holds as many runners as it may."}";
            RunBeside(Runner(command.RunnerKey).ObservedAsync(new RunnerObservation("failed", "provision_failed", reason, null, null), CancellationToken.None), command.RunnerKey);
        }
    }

    private void Drop(string key, Held held)
    {
        if (_held.GetValueOrDefault(key) == held) _held.Remove(key);
    }

    /// <summary>Tells the runner's grain of each phase, in order, without the start waiting for it.</summary>
    private sealed class Steps(ProviderGrain grain, string runnerKey) : IProgress<StartStep>
    {
        private readonly TaskScheduler _turn = TaskScheduler.Current;
        private readonly Lock _lock = new();
        private Task _told = Task.CompletedTask;

        public void Report(StartStep value)
        {
            var step = new RunnerStep(value.Phase, value.Took is { } took ? (long)took.TotalMilliseconds : null, value.Detail);
            // A provider may report from any thread; the call belongs to this grain's scheduler.
            lock (_lock)
                _told = _told.ContinueWith(_ => grain.Runner(runnerKey).ProgressAsync(step), CancellationToken.None, TaskContinuationOptions.None, _turn).Unwrap();
        }

        /// <summary>All that was reported has arrived, or never will: progress is for people.</summary>
        public async Task ToldAsync()
        {
            try
            {
                await _told;
            }
            catch (Exception e)
            {
                grain.Failed(e, runnerKey);
            }
        }
    }
}
