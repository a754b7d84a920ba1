using Marionette.Workspaces;

namespace Marionette.Pools;

/// <content>
/// Files of workspaces that are of no use on a host any more. They are looked for now and then: a look finds what messages that were lost would have told,
/// what hosts that were away still have, and does no harm when it comes again.
/// </content>
internal sealed partial class PoolGrain
{
    private const int KeysAtOnce = 500;

    private bool _sweeping;

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
            foreach (var keys in Copies().Select(copy => copy.Key).Distinct().Chunk(KeysAtOnce)) await SweepAsync(keys, cancellationToken);
        }
        finally
        {
            _sweeping = false;
        }
    }

    private async Task SweepAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        var facts = await workspaces.ReadAsync(keys, cancellationToken);
        foreach (var copy in Copies(facts.Keys))
            if (OldFiles.IsOutOfDate(copy, facts[copy.Key])) Forget(copy);

        // Where its newest files are at another provider, it may be begun on there.
        var over = Copies(facts.Keys).Where(copy => !OldFiles.IsOutOfDate(copy, facts[copy.Key]) && OldFiles.IsOver(facts[copy.Key], Now, Options().KeepFiles))
            .Select(copy => copy.Key).Distinct().ToList();
        foreach (var tenant in over.GroupBy(key => GrainKeys.Split(key).Tenant, StringComparer.Ordinal))
            await GiveUpAsync(tenant.Key, [.. tenant], facts, cancellationToken);
    }

    private async Task GiveUpAsync(
        string tenant, IReadOnlyCollection<string> keys, IReadOnlyDictionary<string, WorkspaceFacts> facts, CancellationToken cancellationToken)
    {
        string[] ids = [.. keys.Select(key => GrainKeys.Split(key).Id)];
        var naming = await workspaces.NamingAsync(tenant, ids, cancellationToken);
        var scheduled = await workspaces.ScheduledAsync(tenant, ids, cancellationToken);
        foreach (var key in keys)
        {
            var id = GrainKeys.Split(key).Id;
            if (scheduled.Contains(id) || !OldFiles.AreOver(naming[id], Now, Options().KeepFiles)) continue;
            // From here on no session gets it: one that was made meanwhile has it already, and then it stays.
            if (!await GrainFactory.GetGrain<IWorkspaceGrain>(key).RetireAsync(facts[key].Workspace.LastSessionId!, cancellationToken)) continue;
            foreach (var copy in Copies([key])) Forget(copy);
        }
    }

    /// <summary>Of these workspaces, or all of them, on all hosts, as they last reported.</summary>
    private List<WorkspaceCopy> Copies(IEnumerable<string>? of = null)
    {
        var keys = of?.ToHashSet(StringComparer.Ordinal);
        return [.. _hosts.Values.SelectMany(host => host.View.Copies.Values).Where(copy => keys is null || keys.Contains(copy.Key))];
    }

    /// <summary>Each host that has the files just so. It sees for itself whether they may go.</summary>
    private void Forget(WorkspaceCopy copy)
    {
        var workspace = GrainKeys.Split(copy.Key).Id;
        foreach (var (id, host) in _hosts)
        {
            if (host.View.Copies.GetValueOrDefault(workspace) == copy) RunBeside(Host(id).ForgetFilesAsync(copy, CancellationToken.None), id);
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
