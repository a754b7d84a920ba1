using System.Collections.Concurrent;
using Marionette.Gateway.Workspaces.Upkeep;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// How much each tenant may store. What the index counts is believed for <see cref="BelievedFor"/>, with what came through this gateway since: beyond the limit may
/// go what is under way at that moment, and what other gateways take in that time.
/// </summary>
internal sealed class StoreQuota(GatewayOptions options, UpkeepTable table, TimeProvider clock)
{
    /// <summary>How late a deletion, or what came through another gateway, may be noticed.</summary>
    public static readonly TimeSpan BelievedFor = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, Held> _held = new(StringComparer.Ordinal);

    /// <summary>To be asked before a pack is taken.</summary>
    /// <exception cref="MarionetteException">TooLarge: the tenant has no room left.</exception>
    public async ValueTask CheckAsync(string tenant, CancellationToken cancellationToken)
    {
        if (options.Keeping.TenantBytes <= 0) return;
        var now = clock.GetUtcNow();
        if (!_held.TryGetValue(tenant, out var held) || held.Until <= now)
            _held[tenant] = held = new Held((await table.SizesAsync(tenant, cancellationToken)).Bytes, now + BelievedFor);
        if (held.Stored < options.Keeping.TenantBytes) return;
        throw new MarionetteException(
            FaultCode.TooLarge, $"The tenant has stored {held.Stored} bytes, and may store {options.Keeping.TenantBytes}: delete snapshots and collect, or raise the limit.");
    }

    /// <summary>A pack was taken.</summary>
    public void Count(string tenant, long bytes)
    {
        if (_held.TryGetValue(tenant, out var held)) held.Add(bytes);
    }

    private sealed class Held(long stored, DateTimeOffset until)
    {
        private long _stored = stored;

        public DateTimeOffset Until => until;

        public long Stored => Interlocked.Read(ref _stored);

        public void Add(long bytes) => Interlocked.Add(ref _stored, bytes);
    }
}
