namespace Marionette.Workspaces;

/// <summary>What a collection does with which pack. A function of what was found: no clock, no store.</summary>
internal sealed class CollectPlan
{
    private readonly Dictionary<ChunkId, string> _keepers = [];

    /// <summary>Packs to keep although they are condemned: a chunk that is needed lies nowhere else.</summary>
    public HashSet<string> Needed { get; } = new(StringComparer.Ordinal);

    /// <summary>Packs that nobody needs, to be condemned.</summary>
    public List<string> Dead { get; } = [];

    /// <summary>Packs of which little is needed: to be written anew, then condemned.</summary>
    public List<PackContents> Repack { get; } = [];

    /// <summary>The pack that a chunk is kept in; null: it is not needed, or lies in no pack.</summary>
    public string? KeeperOf(ChunkId id) => _keepers.GetValueOrDefault(id);

    public static CollectPlan Make(
        IEnumerable<(PackContents Pack, DateTimeOffset Written)> packs, IReadOnlySet<string> condemned, IReadOnlySet<ChunkId> live, CollectOptions options, DateTimeOffset now)
    {
        var plan = new CollectPlan();
        // A chunk that was stored twice is kept where the most is needed; a condemned pack is the last choice.
        var all = packs.ToList();
        var order = all.OrderBy(one => condemned.Contains(one.Pack.Name)).ThenByDescending(one => Share(one.Pack, live.Contains)).ThenBy(one => one.Pack.Name, StringComparer.Ordinal);
        foreach (var (pack, _) in order)
            foreach (var entry in pack.Entries)
                if (live.Contains(entry.Id) && plan._keepers.TryAdd(entry.Id, pack.Name) && condemned.Contains(pack.Name))
                    plan.Needed.Add(pack.Name);
        foreach (var (pack, written) in all)
        {
            if (condemned.Contains(pack.Name) || written > now - options.Grace)
                continue;
            var share = Share(pack, id => plan.KeeperOf(id) == pack.Name);
            if (share == 0)
                plan.Dead.Add(pack.Name);
            else if (share < options.RepackBelow)
                plan.Repack.Add(pack);
        }

        return plan;
    }

    private static double Share(PackContents pack, Func<ChunkId, bool> isNeeded)
    {
        var (needed, total) = (0L, 1L);
        foreach (var entry in pack.Entries)
        {
            total += entry.StoredLength;
            needed += isNeeded(entry.Id) ? entry.StoredLength : 0;
        }

        return (double)needed / total;
    }
}
