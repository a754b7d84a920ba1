using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>What an inventory means for the record.</summary>
/// <param name="Leftovers">On the host, and not to be there: to be released.</param>
/// <param name="Unseen">Made by the record, and not in the inventory: to be looked at.</param>
internal sealed record InventoryFindings(HostRecord Next, ImmutableArray<(string Key, long Epoch)> Leftovers, ImmutableArray<(string Key, long Epoch)> Unseen);

/// <summary>What becomes of a host's record: no clock, no store, no host.</summary>
internal static class HostChanges
{
    /// <summary>Workspaces that a record remembers; those that were used longest ago go first, and their next runner goes where there is room.</summary>
    public const int MaxWorkspaces = 1000;

    /// <summary>Records a runner before the host hears of it.</summary>
    public static HostRecord Give(HostRecord host, EnsureRunnerOrder order) => host.With(order.RunnerKey, new HostRunnerRecord
    {
        Epoch = order.Epoch,
        Cpus = order.Shape.Cpus, MemoryMib = order.Shape.MemoryMib, DiskMib = order.Shape.DiskMib, WorkspaceId = order.WorkspaceId,
        IsFirstOfWorkspace = !host.Workspaces.Contains(order.WorkspaceId),
    }) with
    {
        Workspaces = [.. host.Workspaces.Remove(order.WorkspaceId).TakeLast(MaxWorkspaces - 1), order.WorkspaceId],
    };

    /// <summary>Its lease has run out. A start that was not finished goes elsewhere, so it must not go on here when the host is back.</summary>
    public static HostRecord GiveUp(HostRecord host) => host with
    {
        Status = HostStatus.Lost,
        Runners = host.Runners.ToImmutableDictionary(
            pair => pair.Key, pair => pair.Value with { IsGivenUp = true, IsReleasing = pair.Value.IsReleasing || !pair.Value.IsMade }),
    };

    /// <summary>
    /// What the host has and was not given to it, has an older epoch or was given back is a leftover. The rest is adopted, also what was given up and not
    /// given back since: its session still holds it. What was given back and is not there is done.
    /// </summary>
    public static InventoryFindings Compare(HostRecord host, ImmutableArray<HostRunnerView> inventory)
    {
        var there = (inventory.IsDefault ? [] : inventory).Where(runner => runner.State != "missing").ToLookup(runner => runner.RunnerKey);
        var (leftovers, unseen) = (ImmutableArray.CreateBuilder<(string, long)>(), ImmutableArray.CreateBuilder<(string, long)>());
        foreach (var runner in there.SelectMany(group => group))
        {
            if (host.Runners.GetValueOrDefault(runner.RunnerKey) is not { IsReleasing: false } known || known.Epoch != runner.Epoch)
                leftovers.Add((runner.RunnerKey, runner.Epoch));
        }

        foreach (var (key, known) in host.Runners)
        {
            var isThere = there[key].Any(runner => runner.Epoch == known.Epoch);
            // A start under way: its result tells.
            if (there[key].Any(runner => runner.Epoch == known.Epoch && runner.State == "ordered") && !known.IsMade) continue;
            if (known.IsReleasing && !isThere) host = host.Without(key);
            else if (known is { IsReleasing: false } and not { IsMade: true, IsGivenUp: false } && isThere)
                host = host.With(key, known with { IsMade = true, IsGivenUp = false });
            else if (known is { IsReleasing: false, IsMade: true, IsGivenUp: false } && !isThere) unseen.Add((key, known.Epoch));
        }

        return new InventoryFindings(host, leftovers.ToImmutable(), unseen.ToImmutable());
    }

    /// <summary>An agent's end that says something of its host: soon after its start, and neither of its own will nor for want of memory.</summary>
    /// <remarks>75 and 76 are the agent's word that it was replaced or its token refused.</remarks>
    public static bool SpeaksAgainstHost(HostRunnerView runner, TimeSpan lived) =>
        lived < TimeSpan.FromMinutes(2) && runner.ExitCode is not (0 or 75 or 76)
        && runner.Cause is not (Providers.DeathCauses.OutOfMemory or Providers.DeathCauses.DiskFull);

    /// <summary>Whether so many runners failed that it is the host's fault: more than are tolerated, and not of one tenant alone while another one's live.</summary>
    public static bool SpeakAgainstHost(IReadOnlyCollection<string> failed, IEnumerable<string> living, int tolerated)
    {
        if (failed.Count <= tolerated) return false;
        var tenants = failed.Select(TenantOf).Distinct().ToList();
        return tenants.Count > 1 || living.All(key => TenantOf(key) == tenants[0]);

        static string TenantOf(string key) => GrainKeys.Split(key).Tenant;
    }

    /// <summary>A host says what it likes: what is kept of it has bounds.</summary>
    public static HostFacts Bounded(HostFacts facts) => facts with
    {
        Name = Cut(facts.Name, 80), Version = Cut(facts.Version, 80), System = Cut(facts.System, 200), BootId = Cut(facts.BootId, 80),
        Cpus = double.IsFinite(facts.Cpus) ? Math.Clamp(facts.Cpus, 0, 4096) : 0, MemoryMib = Math.Max(0, facts.MemoryMib), DiskMib = Math.Max(0, facts.DiskMib),
        Labels = facts.Labels.Where(label => label.Key.Length <= 100 && label.Value.Length <= 200).OrderBy(label => label.Key, StringComparer.Ordinal).Take(50)
            .ToImmutableDictionary(StringComparer.Ordinal),
        Sandboxes = [.. facts.Sandboxes.Take(8).Select(sandbox => sandbox with { Detail = Cut(sandbox.Detail, 300) })],
        Agents = [.. facts.Agents.Take(50)],
    };

    /// <summary>Records compare their collections by reference.</summary>
    public static bool Same(HostFacts a, HostFacts b) =>
        (a with { Labels = b.Labels, Sandboxes = b.Sandboxes, Agents = b.Agents }) == b && a.Agents.SequenceEqual(b.Agents)
        && a.Labels.Count == b.Labels.Count && a.Labels.All(label => b.Labels.GetValueOrDefault(label.Key) == label.Value)
        && a.Sandboxes.Length == b.Sandboxes.Length
        && a.Sandboxes.Zip(b.Sandboxes).All(pair =>
            pair.First with { Limits = pair.Second.Limits } == pair.Second && Limits(pair.First).SequenceEqual(Limits(pair.Second)));

    private static ImmutableArray<string> Limits(HostSandbox sandbox) => sandbox.Limits.IsDefault ? [] : sandbox.Limits;

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];
}
