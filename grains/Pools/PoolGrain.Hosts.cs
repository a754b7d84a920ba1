using System.Collections.Immutable;

namespace Marionette.Pools;

/// <content>Hosts as they reported, and which of them takes a runner.</content>
internal sealed partial class PoolGrain
{
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1), CountWithin = TimeSpan.FromSeconds(10);

    /// <summary>A host that reports does so every few seconds: the grain of one that does not is asked, which wakes it, and with it the lease of its runners.</summary>
    private static readonly TimeSpan SilentAfter = TimeSpan.FromSeconds(15);

    /// <summary>How long a place is kept for a runner that its host has not reported yet.</summary>
    private static readonly TimeSpan KeepPlace = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, Reported> _hosts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Kept> _kept = new(StringComparer.Ordinal);
    private readonly HashSet<string> _uncounted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _askedAt = new(StringComparer.Ordinal);
    private DateTimeOffset _countedBy;

    public Task ReportAsync(HostView host, ImmutableArray<HostRunnerView> runners, CancellationToken cancellationToken)
    {
        Options();
        Take(host, runners);
        return Task.CompletedTask;
    }

    public async Task ForgetHostAsync(string hostId, CancellationToken cancellationToken)
    {
        Options();
        Drop(hostId);
        if (row.State.Hosts.ContainsKey(hostId)) await WriteAsync(row.State with { Hosts = row.State.Hosts.Remove(hostId) });
    }

    public ValueTask<string> PlaceAsync(PlaceRunner command, CancellationToken cancellationToken)
    {
        var options = Counted();
        var refused = command.Refused.IsDefault ? [] : command.Refused;
        if (_kept.TryGetValue(command.RunnerKey, out var kept) && (kept.Runner.Epoch != command.Epoch || refused.Contains(kept.Host) || !MayTake(kept.Host)))
            _kept.Remove(command.RunnerKey);
        var choice = PoolPlacement.Choose(Hosts(), command with { Refused = refused }, options);
        switch (choice.Kind)
        {
            case PlacementKind.Chosen:
                if (!_hosts[choice.Text].Runners.ContainsKey(command.RunnerKey))
                {
                    _kept[command.RunnerKey] = new Kept(choice.Text, Now + KeepPlace, new HostRunnerView(command.RunnerKey, command.Epoch, "ordered")
                    {
                        Cpus = command.Shape.Cpus, MemoryMib = command.Shape.MemoryMib, DiskMib = command.Shape.DiskMib, WorkspaceId = command.WorkspaceId,
                    });
                }

                return ValueTask.FromResult(choice.Text);
            case PlacementKind.Full:
                throw new MarionetteException(FaultCode.QueueFull, choice.Text);
            default:
                throw new MarionetteException(FaultCode.ProviderFailed, choice.Text);
        }
    }

    public ValueTask<string?> WhereAsync(string runnerKey, CancellationToken cancellationToken)
    {
        Counted();
        // Two hosts may have it for a while, one of which was given up.
        var host = _hosts.Values.Where(host => host.Runners.TryGetValue(runnerKey, out var runner) && !runner.IsReleasing)
            .OrderByDescending(host => host.Runners[runnerKey].Epoch).ThenBy(host => host.Runners[runnerKey].State == "missing").FirstOrDefault();
        if (host is null && _uncounted.Count > 0)
            throw new MarionetteException(FaultCode.Unavailable, $"{_uncounted.Count} hosts of pool \"{Name}\" have not answered yet.");
        return ValueTask.FromResult(host?.View.Id);
    }

    public ValueTask<ImmutableArray<HostRunnerView>> ListRunnersAsync(CancellationToken cancellationToken)
    {
        Counted();
        return ValueTask.FromResult(_hosts.Values.SelectMany(host => host.Runners.Values).Where(runner => !runner.IsReleasing).ToImmutableArray());
    }

    private bool MayTake(string hostId) => _hosts.GetValueOrDefault(hostId)?.View is { Status: HostStatus.Online, Draining: false, Taint: null };

    private List<PlacementHost> Hosts()
    {
        foreach (var (key, kept) in _kept.ToList())
            if (kept.Until < Now) _kept.Remove(key);
        var kepts = _kept.Values.ToLookup(kept => kept.Host);
        return [.. _hosts.Values.Select(host => new PlacementHost(
            host.View, [.. host.Runners.Values, .. kepts[host.View.Id].Select(kept => kept.Runner).Where(runner => !host.Runners.ContainsKey(runner.RunnerKey))]))];
    }

    /// <exception cref="MarionetteException">Unavailable: a choice now could give a runner a second host.</exception>
    private PoolOptions Counted()
    {
        var options = Options();
        if (_uncounted.Count > 0 && Now < _countedBy)
            throw new MarionetteException(FaultCode.Unavailable, $"The hosts of pool \"{Name}\" are being counted; {_uncounted.Count} have not answered yet.");
        return options;
    }

    private void Take(HostView view, ImmutableArray<HostRunnerView> runners)
    {
        if (view.Status == HostStatus.Removed)
        {
            Drop(view.Id);
            return;
        }

        var before = _hosts.GetValueOrDefault(view.Id);
        _hosts[view.Id] = new Reported(view, runners.ToDictionary(runner => runner.RunnerKey, StringComparer.Ordinal), Now);
        _uncounted.Remove(view.Id);
        foreach (var runner in runners)
        {
            if (_kept.TryGetValue(runner.RunnerKey, out var kept) && kept.Host == view.Id) _kept.Remove(runner.RunnerKey);
            if (before?.Runners.ContainsKey(runner.RunnerKey) != true) LeaveOldFiles(view.Id, runner);
        }
    }

    /// <summary>A workspace goes on here: copies of its files on hosts that were lost, or that have no runner of it, are out of date.</summary>
    private void LeaveOldFiles(string hostId, HostRunnerView runner)
    {
        if (runner.WorkspaceId.Length == 0 || runner.IsReleasing) return;
        foreach (var (id, other) in _hosts)
        {
            if (id == hostId || !other.View.Workspaces.Contains(runner.WorkspaceId)) continue;
            var isUsed = other.Runners.Values.Any(r => r.WorkspaceId == runner.WorkspaceId && !r.IsReleasing && r.State != "missing");
            if (!isUsed) RunBeside(Host(id).ForgetWorkspaceAsync(GrainKeys.Of(GrainKeys.Split(runner.RunnerKey).Tenant, runner.WorkspaceId)), id);
        }
    }

    private void Drop(string hostId)
    {
        _askedAt.Remove(hostId);
        _hosts.Remove(hostId);
        _uncounted.Remove(hostId);
    }

    private Task AskSilentHosts()
    {
        foreach (var id in row.State.Hosts.Keys)
        {
            if (_hosts.TryGetValue(id, out var known) && Now - known.At < SilentAfter) continue;
            if (Now - _askedAt.GetValueOrDefault(id) < SilentAfter) continue;
            _askedAt[id] = Now;
            RunBeside(AskAsync(id), id);
        }

        return Task.CompletedTask;
    }

    private async Task AskAsync(string id)
    {
        var began = Now;
        try
        {
            var view = await Host(id).GetAsync();
            var runners = await Host(id).ListRunnersAsync();
            // Its own report, if one came since, is newer than this answer.
            if (!(_hosts.GetValueOrDefault(id)?.At >= began)) Take(view, runners);
            // The end of its removal was lost. A call of its own, since a row is written by turns alone.
            if (view.Status == HostStatus.Removed) await GrainFactory.GetGrain<IPoolGrain>(Name).ForgetHostAsync(id);
        }
        catch (MarionetteException e) when (e.Code == FaultCode.NotFound)
        {
            // Its join was not finished: it says hello again.
            Drop(id);
        }
    }

    private sealed record Reported(HostView View, Dictionary<string, HostRunnerView> Runners, DateTimeOffset At);

    /// <summary>A place that was promised.</summary>
    private sealed record Kept(string Host, DateTimeOffset Until, HostRunnerView Runner);
}
