namespace Marionette.Gateway.Streams;

/// <summary>The tenant's lifecycle events on this gateway: one loop looks for new ones while there are readers.</summary>
internal sealed partial class TenantFeed : EventFeed
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    private readonly string tenant;
    private readonly IEventStore store;
    private readonly GatewayOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly CancellationTokenSource stop = new();
    private readonly Task polling;

    /// <param name="head">Newest settled event; the feed begins behind it.</param>
    public TenantFeed(string tenant, StreamPosition head, IEventStore store, GatewayOptions options, SemaphoreSlim loads, TimeProvider clock, ILogger log)
        : base(options, loads)
    {
        (this.tenant, this.store, this.options, this.clock, this.log) = (tenant, store, options, clock, log);
        StartAt(head);
        polling = Task.Run(PollAsync);
    }

    /// <inheritdoc />
    public override async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await polling;
        stop.Dispose();
    }

    protected override async Task<List<EventBlock>> FetchAsync(StreamPosition after, CancellationToken cancellationToken) =>
        (await store.ReadTenantAsync(tenant, after, EventStore.PageEvents, TypeFilter.None, cancellationToken)).Blocks;

    protected override Task<byte[]> FetchPieceAsync(StreamPosition position, long offset, int length, CancellationToken cancellationToken) =>
        store.ReadTenantPayloadAsync(tenant, position, offset, length, cancellationToken);

    private async Task PollAsync()
    {
        var pause = options.TenantPoll;
        var failing = false;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var blocks = await FetchAsync(RingEnd, stop.Token);
                Append(blocks);
                if (failing) LogPolling(tenant);
                (failing, pause) = (false, options.TenantPoll);
                if (blocks.Count > 0) continue;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                if (!failing) LogNotPolling(tenant, exception.GetType().Name, exception.Message);
                failing = true;
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            try { await Task.Delay(pause, clock, stop.Token); }
            catch (OperationCanceledException) { return; }
        }
    }

    [LoggerMessage(6303, LogLevel.Information, "Reading the events of tenant {Tenant} again", EventName = "gateway.tenant-feed.recovered")]
    private partial void LogPolling(string tenant);

    [LoggerMessage(6304, LogLevel.Warning, "Cannot read the events of tenant {Tenant}; trying on: {Kind}: {Cause}", EventName = "gateway.tenant-feed.away")]
    private partial void LogNotPolling(string tenant, string kind, string cause);
}
