namespace Marionette.Providers;

/// <summary>What bounds the starts of a provider. 0 = no bound.</summary>
internal sealed record StartLimits(int MaxRunners, int MaxRunnersPerTenant, int MaxStarting);

/// <summary>
/// Starts that wait, and which one is next: a fair share, not first come first served. The tenant that holds the fewest runners goes first;
/// among equals the one that has waited longest. Within a tenant the order is kept. So a tenant that orders a thousand delays nobody else.
/// </summary>
internal sealed class StartQueue<T> where T : class
{
    private readonly Dictionary<string, LinkedList<(string Key, long Order, T Item)>> _byTenant = new(StringComparer.Ordinal);
    private readonly Dictionary<string, LinkedListNode<(string Key, long Order, T Item)>> _byKey = new(StringComparer.Ordinal);
    private long _order;

    public int Count => _byKey.Count;

    public bool Contains(string key) => _byKey.ContainsKey(key);

    /// <summary>Appends it; one that waits already keeps its place and gets the newer content.</summary>
    public void Put(string key, T item)
    {
        if (_byKey.TryGetValue(key, out var waiting)) waiting.Value = waiting.Value with { Item = item };
        else _byKey[key] = Line(key).AddLast((key, _order++, item));
    }

    /// <summary>Puts it before all others of its tenant: it has waited already.</summary>
    public void PutBack(string key, T item)
    {
        Remove(key);
        var line = Line(key);
        _byKey[key] = line.AddFirst((key, line.First?.Value.Order - 1 ?? _order++, item));
    }

    public bool Remove(string key)
    {
        if (!_byKey.Remove(key, out var node)) return false;
        var line = node.List!;
        line.Remove(node);
        if (line.Count == 0) _byTenant.Remove(TenantOf(key));
        return true;
    }

    /// <summary>Takes the next one that the limits allow; null when none may start now.</summary>
    /// <param name="held">Runners of each tenant that run or are being started.</param>
    /// <param name="starting">Starts under way.</param>
    /// <param name="limits">Bounds.</param>
    public T? Take(IReadOnlyDictionary<string, int> held, int starting, StartLimits limits)
    {
        if (limits.MaxStarting > 0 && starting >= limits.MaxStarting) return null;
        if (limits.MaxRunners > 0 && held.Values.Sum() >= limits.MaxRunners) return null;
        var next = default((string Key, long Order, T Item)?);
        var fewest = int.MaxValue;
        foreach (var (tenant, line) in _byTenant)
        {
            var has = held.GetValueOrDefault(tenant);
            if (limits.MaxRunnersPerTenant > 0 && has >= limits.MaxRunnersPerTenant) continue;
            var first = line.First!.Value;
            if (has > fewest || (has == fewest && next is { } best && first.Order > best.Order)) continue;
            (next, fewest) = (first, has);
        }

        if (next is not { } chosen) return null;
        Remove(chosen.Key);
        return chosen.Item;
    }

    /// <summary>All that waits, in no order.</summary>
    public IEnumerable<T> Items => _byKey.Values.Select(node => node.Value.Item);

    public static string TenantOf(string runnerKey) => runnerKey[..runnerKey.IndexOf('/')];

    private LinkedList<(string Key, long Order, T Item)> Line(string key)
    {
        var tenant = TenantOf(key);
        if (!_byTenant.TryGetValue(tenant, out var line)) _byTenant[tenant] = line = [];
        return line;
    }
}
