using System.Collections.Immutable;

namespace Marionette.Pools;

/// <content>The host's stream: what it says.</content>
internal sealed partial class HostGrain
{
    private static readonly TimeSpan FailuresWithin = TimeSpan.FromMinutes(10);
    private const int FailuresTolerated = 4;

    /// <summary>Runners as the host last said.</summary>
    private readonly Dictionary<string, HostRunnerView> _seen = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _startedAt = new(StringComparer.Ordinal);

    /// <summary>Runners whose end was ordered: it is nobody's fault.</summary>
    private readonly HashSet<string> _stopped = new(StringComparer.Ordinal);

    /// <summary>Runners that spoke against the host by their end or by a failed start, each once, by its last time.</summary>
    private readonly Dictionary<string, DateTimeOffset> _failures = new(StringComparer.Ordinal);

    public async Task AttachAsync(string connectionId, HostInventory inventory, IHostConnection connection, CancellationToken cancellationToken)
    {
        if (_record is not { } record || record.Status == HostStatus.Removed)
            throw new MarionetteException(FaultCode.TokenRefused, "The host is not known, or was removed from its pool.");
        if (_connection is { } older && _connectionId != connectionId) RunBeside(older.OnClosedAsync("Another connection of the host took over.", dismissed: false));
        (_connection, _connectionId, _aliveAt, _seenAt) = (connection, connectionId, Now, Now);
        if (record.Status == HostStatus.Lost) await WriteAsync(r => r with { Status = HostStatus.Online });
        // Before the inventory, whose own orders need no second sending.
        SendUnanswered();
        await TakeInventoryAsync(inventory);
        RemoveOutdated();
        Log.Attached(logger, Id, PoolName, connectionId);
        Changed();
    }

    public ValueTask<bool> KnowsAsync(string connectionId, CancellationToken cancellationToken) => ValueTask.FromResult(_connectionId == connectionId);

    public Task DetachAsync(string connectionId, bool goodbye, CancellationToken cancellationToken)
    {
        if (_connectionId != connectionId) return Task.CompletedTask;
        (_connection, _connectionId) = (null, null);
        Log.Detached(logger, Id, PoolName, goodbye);
        Changed();
        return Task.CompletedTask;
    }

    public async Task HeardAsync(string connectionId, HostSaying saying, CancellationToken cancellationToken)
    {
        if (_connectionId != connectionId || _record is null) return;
        var wasAway = IsAway;
        (_aliveAt, _seenAt) = (Now, Now);
        if (wasAway) Changed();
        switch (saying)
        {
            case HostAlive alive:
                _load = alive.Load;
                break;
            case HostInventoryTaken taken:
                await TakeInventoryAsync(taken.Inventory);
                Changed();
                break;
            case HostRunnerEnded ended:
                await SawAsync(ended.Runner);
                Changed();
                break;
            case HostRunnerBlocked blocked when IsOurs(blocked.RunnerKey, blocked.Epoch):
                Tell(new PoolRunnerBlocked(blocked.RunnerKey, blocked.Epoch, blocked.Target));
                break;
            case HostRunnerThrottled throttled when IsOurs(throttled.RunnerKey, throttled.Epoch):
                Tell(new PoolRunnerThrottled(throttled.RunnerKey, throttled.Epoch, throttled.Throttle));
                break;
            case HostOrderProgress progress:
                HeardProgress(progress);
                break;
            case HostOrderResult result:
                await HeardResultAsync(result);
                Changed();
                break;
        }
    }

    private bool IsOurs(string key, long epoch) => _record!.Runners.GetValueOrDefault(key) is { IsReleasing: false, IsGivenUp: false } runner && runner.Epoch == epoch;

    private async Task TakeInventoryAsync(HostInventory inventory)
    {
        var facts = HostChanges.Bounded(inventory.Facts);
        var runners = inventory.Runners.IsDefault ? [] : inventory.Runners;
        var findings = new InventoryFindings(_record!, [], []);
        await WriteAsync(record =>
        {
            findings = HostChanges.Compare(record, runners);
            return HostChanges.Same(record.Facts, facts) ? findings.Next : findings.Next with { Facts = facts };
        });
        foreach (var key in _seen.Keys.Where(key => !_record!.Runners.ContainsKey(key)).ToList()) Forget(key);
        foreach (var runner in runners) await SawAsync(runner);
        foreach (var (key, epoch) in findings.Leftovers)
        {
            if (IsOrdered(key, epoch, RunnerOrderKind.Release)) continue;
            Log.Leftover(logger, key, Id);
            Send(new RunnerOrder(NewOrderId(), key, epoch, RunnerOrderKind.Release));
        }

        // An inventory may be a little older than the last result: the host is asked for the one before it counts as gone.
        foreach (var (key, epoch) in findings.Unseen)
            if (!IsOrdered(key, epoch, RunnerOrderKind.Observe)) Send(new RunnerOrder(NewOrderId(), key, epoch, RunnerOrderKind.Observe));
    }

    /// <summary>A runner as the host says that it is now.</summary>
    private async Task SawAsync(HostRunnerView runner)
    {
        if (!IsOurs(runner.RunnerKey, runner.Epoch)) return;
        var isOver = runner.State is "exited" or "missing";
        var wasOver = _seen.GetValueOrDefault(runner.RunnerKey) is { State: "exited" or "missing" } before && before.Epoch == runner.Epoch;
        if (runner.State == "missing" && runner.Cause is null)
            runner = runner with { Cause = Providers.DeathCauses.Removed, Detail = runner.Detail ?? $"Host {NameOf(_record!)} does not have it any more." };
        _seen[runner.RunnerKey] = runner;
        if (!isOver || wasOver) return;
        Tell(new PoolRunnerEnded(runner.RunnerKey, runner.Epoch));
        await CountDeathAsync(runner);
    }

    private async Task CountDeathAsync(HostRunnerView runner)
    {
        if (_stopped.Contains(runner.RunnerKey) || !_startedAt.Remove(runner.RunnerKey, out var startedAt)) return;
        if (!HostChanges.SpeaksAgainstHost(runner, Now - startedAt)) return;
        await CountFailureAsync(
            runner.RunnerKey, "Runners keep dying here", runner.Detail ?? (runner.ExitCode is { } code ? $"exit code {code}" : runner.Cause ?? "no reason known"));
    }

    /// <summary>
    /// Holds the host off once enough runners speak against it. Those of one tenant alone do not, while another one's live here: a tenant must not be
    /// able to take host after host from the others.
    /// </summary>
    private async Task CountFailureAsync(string key, string what, string why)
    {
        foreach (var (old, at) in _failures.ToList())
            if (Now - at > FailuresWithin) _failures.Remove(old);
        _failures[key] = Now;
        if (_record!.Taint is not null || !HostChanges.SpeakAgainstHost(_failures.Keys, LivingKeys(), FailuresTolerated)) return;
        var taint = $"{what}: {(why.Length > MaxReason - 50 ? why[..(MaxReason - 50)] : why)}";
        await WriteAsync(record => record with { Taint = record.Taint ?? taint });
        Log.Tainted(logger, Id, PoolName, taint);
    }

    private IEnumerable<string> LivingKeys() =>
        _record!.Runners.Where(runner => runner.Value is { IsMade: true, IsReleasing: false, IsGivenUp: false } && _seen.GetValueOrDefault(runner.Key)?.State is "running" or "paused")
            .Select(runner => runner.Key);

    private void Forget(string key)
    {
        _seen.Remove(key);
        _startedAt.Remove(key);
        _stopped.Remove(key);
    }
}
