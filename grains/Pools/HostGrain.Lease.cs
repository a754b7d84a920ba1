using System.Collections.Immutable;

namespace Marionette.Pools;

/// <content>The lease, and what the pool and people see.</content>
internal sealed partial class HostGrain
{
    private static readonly TimeSpan ReportEvery = TimeSpan.FromSeconds(5), LongestSilence = TimeSpan.FromSeconds(20), OutdatedEvery = TimeSpan.FromMinutes(1);

    private bool _isChanged, _isReporting, _wasAway;
    private DateTimeOffset _reportedAt, _outdatedAskedAt;

    /// <summary>No stream, or one on which nothing comes: a gateway may have died without a word.</summary>
    private bool IsAway => _connection is null || Now - _aliveAt > (_options.HostLease < LongestSilence ? _options.HostLease : LongestSilence);

    private void KeepTime()
    {
        if (_record is { Status: not HostStatus.Removed }) _timer ??= this.RegisterGrainTimer(CheckAsync, TimeSpan.Zero, CheckEvery);
    }

    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        if (_record is not { Status: not HostStatus.Removed } record) return;
        if (record.Status != HostStatus.Lost && IsAway && Now - _aliveAt > _options.HostLease) await LoseAsync(record);
        if (IsAway != _wasAway) Changed();
        _wasAway = IsAway;
        if (Now - _reportedAt >= ReportEvery) Changed();
        if (!record.Outdated.IsEmpty && !IsAway && Now - _outdatedAskedAt >= OutdatedEvery) RemoveOutdated();
    }

    private async Task LoseAsync(HostRecord record)
    {
        await WriteAsync(HostChanges.GiveUp);
        Abandon(_ => true, $"Host {NameOf(record)} is lost.");
        var lost = _record!.Runners.Where(runner => runner.Value is { IsGivenUp: true, IsReleasing: false }).ToList();
        Log.Lost(logger, record.Id, PoolName, lost.Count);
        foreach (var (key, runner) in lost) Tell(new PoolRunnerEnded(key, runner.Epoch));
        Changed();
    }

    /// <summary>The pool is told, one report at a time; what changes meanwhile is in the next one.</summary>
    private void Changed()
    {
        _isChanged = true;
        if (!_isReporting) RunBeside(ReportAsync());
    }

    private async Task ReportAsync()
    {
        _isReporting = true;
        try
        {
            while (_isChanged && _record is { } record)
            {
                (_isChanged, _reportedAt) = (false, Now);
                await Pool.ReportAsync(View(record), Views(), CancellationToken.None);
            }
        }
        finally
        {
            _isReporting = false;
        }
    }

    private HostView View(HostRecord record)
    {
        var held = record.Runners.Values;
        return new HostView
        {
            Id = record.Id, Pool = PoolName, Status = record.Status == HostStatus.Online && IsAway ? HostStatus.Offline : record.Status, Draining = record.Draining,
            Taint = record.Taint, Tenants = record.Tenants, Facts = record.Facts, Load = _load, Runners = held.Count(runner => !runner.IsReleasing),
            CpusHeld = held.Sum(runner => runner.Cpus), MemoryHeldMib = held.Sum(runner => runner.MemoryMib), DiskHeldMib = held.Sum(runner => PoolPlacement.DisksOfRunner * runner.DiskMib),
            LastSeenAt = _seenAt ?? record.LastSeenAt, CreatedAt = record.CreatedAt, Workspaces = record.Workspaces,
        };
    }

    private ImmutableArray<HostRunnerView> Views() =>
        _record is { Status: not HostStatus.Removed } record ? [.. record.Runners.Select(pair => View(record, pair.Key, pair.Value))] : [];

    private HostRunnerView View(HostRecord record, string key, HostRunnerRecord runner)
    {
        var seen = _seen.GetValueOrDefault(key) is { } said && said.Epoch == runner.Epoch ? said : null;
        var view = runner.IsGivenUp
            ? new HostRunnerView(key, runner.Epoch, "missing", null, Providers.DeathCauses.HostLost,
                $"Host {NameOf(record)} has been away for longer than {_options.HostLease.TotalSeconds:0} s.")
            : seen ?? new HostRunnerView(key, runner.Epoch, runner.IsMade ? "running" : "ordered");
        return view with
        {
            Cpus = runner.Cpus, MemoryMib = runner.MemoryMib, DiskMib = runner.DiskMib, WorkspaceId = runner.WorkspaceId, Sandbox = seen?.Sandbox ?? "",
            IsReleasing = runner.IsReleasing,
        };
    }
}
