namespace Marionette.Gateway.Streams;

/// <summary>The streams that somebody reads on this gateway, and how many read.</summary>
internal sealed class FeedHub(IGrainFactory grains, IEventStore store, GatewayOptions options, TimeProvider clock, ILoggerFactory logs) : BackgroundService
{
    /// <summary>How often readers are woken to see whether a heartbeat is due.</summary>
    public static readonly TimeSpan TickTime = TimeSpan.FromSeconds(1);

    private const int LoadsAtATime = 8;

    private readonly Lock gate = new();
    private readonly Dictionary<string, Entry> feeds = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim loads = new(LoadsAtATime, LoadsAtATime);
    private int readers;

    private sealed class Entry(EventFeed feed)
    {
        public readonly EventFeed Feed = feed;
        public int Readers;
        public DateTimeOffset IdleSince;
    }

    /// <summary>Readers at this moment.</summary>
    public int Readers => Volatile.Read(ref readers);

    /// <summary>Joins the readers of a session's log.</summary>
    /// <param name="knownHead">Newest seq that the caller has read.</param>
    /// <exception cref="MarionetteException">Throttled: as many readers as this gateway takes.</exception>
    public Lease OpenSession(string tenant, string session, long knownHead)
    {
        var lease = Open($"s/{tenant}/{session}", () => new SessionFeed(
            tenant, session, knownHead, grains, store, options, loads, clock, logs.CreateLogger<SessionFeed>()));
        ((SessionFeed)lease.Feed).Learn(knownHead);
        return lease;
    }

    /// <summary>Joins the readers of the tenant's stream.</summary>
    /// <param name="head">Newest settled event that the caller has read.</param>
    /// <exception cref="MarionetteException">Throttled.</exception>
    public Lease OpenTenant(string tenant, StreamPosition head) =>
        Open($"t/{tenant}", () => new TenantFeed(tenant, head, store, options, loads, clock, logs.CreateLogger<TenantFeed>()));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TickTime, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) Tick();
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Entry[] all;
        lock (gate)
        {
            all = [.. feeds.Values];
            feeds.Clear();
        }
        await Task.WhenAll(all.Select(entry => entry.Feed.DisposeAsync().AsTask()));
    }

    private void Tick()
    {
        var now = clock.GetUtcNow();
        List<Entry> live = [];
        List<EventFeed> idle = [];
        lock (gate)
        {
            foreach (var (key, entry) in feeds)
            {
                if (entry.Readers > 0 || now - entry.IdleSince < options.FeedGrace) live.Add(entry);
                else if (feeds.Remove(key)) idle.Add(entry.Feed);
            }
        }
        foreach (var entry in live) entry.Feed.Tick();
        // Taking leave of a silo that is away takes its time; heartbeats do not wait for it.
        foreach (var feed in idle) _ = Task.Run(async () => await feed.DisposeAsync(), CancellationToken.None);
    }

    private Lease Open(string key, Func<EventFeed> make)
    {
        if (Interlocked.Increment(ref readers) > options.MaxStreams)
        {
            Interlocked.Decrement(ref readers);
            throw new MarionetteException(FaultCode.Throttled, $"This gateway serves {options.MaxStreams} streams at a time.");
        }
        lock (gate)
        {
            if (!feeds.TryGetValue(key, out var entry)) feeds[key] = entry = new Entry(make());
            entry.Readers++;
            return new Lease(entry.Feed, () => Close(entry));
        }
    }

    private void Close(Entry entry)
    {
        Interlocked.Decrement(ref readers);
        lock (gate)
        {
            entry.Readers--;
            entry.IdleSince = clock.GetUtcNow();
        }
    }

    /// <summary>A place among the readers of a feed; dispose to leave.</summary>
    internal sealed class Lease(EventFeed feed, Action close) : IDisposable
    {
        private Action? closing = close;

        public EventFeed Feed { get; } = feed;

        public void Dispose() => Interlocked.Exchange(ref closing, null)?.Invoke();
    }
}
