using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Pools;

/// <content>
/// Files of sessions that have ended. They are looked for now and then: a look finds what messages that were lost would have told, what hosts that were away
/// still have, and does no harm when it comes again.
/// </content>
internal sealed partial class PoolGrain
{
    private const int WorkspacesAtOnce = 500;

    private bool _sweeping;
    private string _sweptTo = "";

    private Task Sweep()
    {
        if (!_sweeping) RunBeside(SweepAsync(_gone.Token));
        return Task.CompletedTask;
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        _sweeping = true;
        try
        {
            var keys = await workspaces.KeysAsync(NextWorkspaces(), cancellationToken);
            foreach (var tenant in keys.GroupBy(key => GrainKeys.Split(key).Tenant, StringComparer.Ordinal))
                await TryAsync($"tenant {tenant.Key}", () => SweepAsync(tenant.Key, [.. tenant], cancellationToken));
        }
        finally
        {
            _sweeping = false;
        }
    }

    /// <summary>Of those that hosts report, in the order of their ids: on from where the last look stopped, and then from the beginning.</summary>
    private List<string> NextWorkspaces()
    {
        var next = _hosts.Values.SelectMany(host => host.View.Workspaces).Distinct(StringComparer.Ordinal).Where(id => string.CompareOrdinal(id, _sweptTo) > 0)
            .Order(StringComparer.Ordinal).Take(WorkspacesAtOnce).ToList();
        _sweptTo = next.Count == WorkspacesAtOnce ? next[^1] : "";
        return next;
    }

    private async Task SweepAsync(string tenant, IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        var facts = await workspaces.ReadAsync(keys, (key, e) => Log.NotLookedAt(logger, e, key, Name), cancellationToken);
        var over = new Dictionary<string, SessionState>(StringComparer.Ordinal);
        foreach (var (key, (workspace, session)) in facts)
        {
            if (workspace.RetiredAt is not null) Forget(key);
            else if (session is not null && OldFiles.MayGo(session, Now, Options().KeepFiles)) over.Add(GrainKeys.Split(key).Id, session);
        }

        if (over.Count == 0) return;
        Keep(await workspaces.ScheduledAsync(tenant, over.Keys, cancellationToken));
        Keep(await workspaces.NeededAsync(tenant, over.Keys, session => OldFiles.MayGo(session, Now, Options().KeepFiles), cancellationToken));
        // A checkpoint whose snapshots were deleted stores nothing.
        var stored = await workspaces.StoredAsync(tenant, [.. over.Values.SelectMany(SnapshotsOf)], cancellationToken);
        foreach (var id in over.Where(pair => SnapshotsOf(pair.Value).All(stored.Contains)).Select(pair => pair.Key))
        {
            var key = GrainKeys.Of(tenant, id);
            await TryAsync(key, () => RetireAsync(key, facts[key].Workspace.LastSessionId!, cancellationToken));
        }

        void Keep(IEnumerable<string> ids)
        {
            foreach (var id in ids) over.Remove(id);
        }

        static IEnumerable<string> SnapshotsOf(SessionState session) => [session.View.RecoveryPoint!.Workspace, session.View.RecoveryPoint.Home];
    }

    /// <summary>From here on no session gets it: one that was made meanwhile and has it already keeps it, and its files stay.</summary>
    private async Task RetireAsync(string key, string lastSession, CancellationToken cancellationToken)
    {
        if (!await GrainFactory.GetGrain<IWorkspaceGrain>(key).RetireAsync(lastSession, cancellationToken)) return;
        Log.Retired(logger, lastSession, key, Name);
        Forget(key);
    }

    /// <summary>Tells each host that reports the files. One that has a runner of the workspace leaves them, and the next look tells it again.</summary>
    private void Forget(string key)
    {
        var workspace = GrainKeys.Split(key).Id;
        foreach (var (id, host) in _hosts)
            if (host.View.Workspaces.Contains(workspace)) RunBeside(Host(id).ForgetWorkspaceAsync(key, CancellationToken.None), id);
    }

    /// <summary>What fails for one is no reason to leave the others.</summary>
    private async Task TryAsync(string of, Func<Task> look)
    {
        try
        {
            await look();
        }
        catch (Exception e) when (!_gone.IsCancellationRequested)
        {
            Log.NotLookedAt(logger, e, of, Name);
        }
    }

    private async void RunBeside(Task sweep)
    {
        try
        {
            await sweep;
        }
        catch (OperationCanceledException) when (_gone.IsCancellationRequested)
        {
            // The next activation looks.
        }
        catch (Exception e)
        {
            Log.SweepFailed(logger, e, Name);
        }
    }
}
