using System.Collections.Concurrent;
using Marionette.Gateway.Workspaces.Upkeep;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// How much each tenant may store: what the index counts, and what came through this gateway and is not in the index yet. What the index counts is believed for
/// <see cref="BelievedFor"/>: beyond the limit may go what is under way at that moment, and what other gateways take in that time.
/// </summary>
internal sealed class StoreQuota(GatewayOptions options, UpkeepTable table, TimeProvider clock)
{
    /// <summary>How late a deletion, or what came through another gateway, may be noticed.</summary>
    public static readonly TimeSpan BelievedFor = TimeSpan.FromSeconds(15);

    /// <summary>What was not made known for so long belongs to an upload that died; the upkeep makes it known, and counts it, by then.</summary>
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromHours(2);

    private readonly ConcurrentDictionary<string, Held> _held = new(StringComparer.Ordinal);

    /// <summary>To be asked before something is taken.</summary>
    /// <exception cref="MarionetteException">TooLarge: the tenant has no room left.</exception>
    public async ValueTask CheckAsync(string tenant, CancellationToken cancellationToken)
    {
        if (options.Keeping.TenantBytes <= 0) return;
        var held = _held.GetOrAdd(tenant, _ => new Held());
        if (held.IsOld(clock.GetUtcNow())) held.Believe((await table.SizesAsync(tenant, cancellationToken)).Bytes, clock.GetUtcNow());
        var stored = held.Stored(clock.GetUtcNow());
        if (stored < options.Keeping.TenantBytes) return;
        throw new MarionetteException(
            FaultCode.TooLarge, $"The tenant has stored {stored} bytes, and may store {options.Keeping.TenantBytes}: delete snapshots and collect, or raise the limit.");
    }

    /// <summary>A pack was taken, and is not in the index yet.</summary>
    public void Take(string tenant, string pack, long bytes)
    {
        if (_held.TryGetValue(tenant, out var held)) held.Take(pack, bytes, clock.GetUtcNow());
    }

    /// <summary>Packs are in the index now.</summary>
    public void Settle(string tenant, IEnumerable<string> packs)
    {
        if (_held.TryGetValue(tenant, out var held)) held.Settle(packs);
    }

    /// <summary>One tenant's count.</summary>
    private sealed class Held
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, (long Bytes, DateTimeOffset At)> _taken = new(StringComparer.Ordinal);
        private long _indexed;
        private DateTimeOffset _until = DateTimeOffset.MinValue;

        public bool IsOld(DateTimeOffset now)
        {
            lock (_gate)
                return _until <= now;
        }

        public void Believe(long indexed, DateTimeOffset now)
        {
            lock (_gate)
                (_indexed, _until) = (indexed, now + BelievedFor);
        }

        public long Stored(DateTimeOffset now)
        {
            lock (_gate)
            {
                foreach (var old in _taken.Where(one => one.Value.At + ForgottenAfter < now).Select(one => one.Key).ToList()) _taken.Remove(old);
                return _indexed + _taken.Values.Sum(one => one.Bytes);
            }
        }

        public void Take(string pack, long bytes, DateTimeOffset now)
        {
            lock (_gate)
                _taken[pack] = (bytes, now);
        }

        public void Settle(IEnumerable<string> packs)
        {
            lock (_gate)
            {
                foreach (var pack in packs)
                    if (_taken.Remove(pack, out var one)) _indexed += one.Bytes;
            }
        }
    }
}
