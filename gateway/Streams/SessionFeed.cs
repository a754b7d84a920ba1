using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.Gateway.Streams;

/// <summary>
/// A session's log on this gateway. One ear at the session's grain serves all readers. What the ear hears is a hint: a gap starts the
/// ring anew and readers fetch what is missing from the store; a lost last word shows at the next renewal, which names the newest seq.
/// </summary>
internal sealed partial class SessionFeed : EventFeed, ISessionObserver
{
    // A silo that dies takes its list of ears with it; the next renewal reaches the session where it lives then.
    private static readonly TimeSpan LongestRenewal = TimeSpan.FromSeconds(3);
    // A session leaves out what an ear cannot take at the moment. While there is something to hear, it asks soon what it missed.
    private static readonly TimeSpan Pulse = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200), LongestPause = TimeSpan.FromSeconds(3);

    private readonly string tenant, session;
    private readonly IGrainFactory grains;
    private readonly IEventStore store;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly Lock pushing = new();
    private readonly CancellationTokenSource stop = new();
    private readonly Task listening;
    private int heard;

    public SessionFeed(
        string tenant, string session, long knownHead, IGrainFactory grains, IEventStore store, GatewayOptions options, SemaphoreSlim loads,
        TimeProvider clock, ILogger log) : base(options, loads)
    {
        (this.tenant, this.session, this.grains, this.store, this.clock, this.log) = (tenant, session, grains, store, clock, log);
        StartAt(StreamPosition.OfSeq(knownHead));
        listening = Task.Run(ListenAsync);
    }

    /// <summary>Somebody has read the newest seq elsewhere.</summary>
    public void Learn(long knownHead) => RaiseHead(StreamPosition.OfSeq(knownHead));

    /// <inheritdoc />
    public Task OnEventsAsync(ImmutableArray<LoggedEvent> events)
    {
        Volatile.Write(ref heard, 1);
        lock (pushing)
        {
            var end = RingEnd.Minor;
            var from = 0;
            while (from < events.Length && events[from].Seq <= end) from++; // heard before
            while (from < events.Length)
            {
                var to = from + 1;
                while (to < events.Length && events[to].Seq == events[to - 1].Seq + 1) to++;
                Append(EventBlockBuilder.BuildLog(StreamPosition.OfSeq(events[from].Seq - 1), Sources(events, from, to)));
                from = to;
            }
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public override async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await listening;
        stop.Dispose();
    }

    protected override Task<List<EventBlock>> FetchAsync(StreamPosition after, CancellationToken cancellationToken) =>
        store.ReadSessionAsync(tenant, session, after.Minor, cancellationToken);

    protected override Task<byte[]> FetchPieceAsync(StreamPosition position, long offset, int length, CancellationToken cancellationToken) =>
        store.ReadPayloadAsync(session, position.Minor, offset, length, cancellationToken);

    private IEnumerable<SourceEvent> Sources(ImmutableArray<LoggedEvent> events, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            var e = events[i];
            yield return new(StreamPosition.OfSeq(e.Seq), e.Seq, e.Type, session, e.TaskId, e.RunId, e.At, e.Payload, e.Payload.Length);
        }
    }

    private async Task ListenAsync()
    {
        ISessionObserver? ear = null;
        var grain = grains.GetGrain<ISessionGrain>(GrainKeys.Of(tenant, session));
        var pause = FirstPause;
        var failing = false;
        while (!stop.IsCancellationRequested)
        {
            TimeSpan wait;
            try
            {
                ear ??= grains.CreateObjectReference<ISessionObserver>(this);
                Volatile.Write(ref heard, 0);
                var lease = await grain.ListenAsync(ear, stop.Token).AsTask().WaitAsync(CallLimit, clock, stop.Token);
                RaiseHead(StreamPosition.OfSeq(lease.LastSeq));
                var half = TimeSpan.FromSeconds(lease.Seconds / 2.0);
                wait = half < LongestRenewal ? half : LongestRenewal;
                pause = FirstPause;
                if (failing) LogListening(session);
                failing = false;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                if (!failing) LogNotListening(session, exception.GetType().Name, exception.Message);
                failing = true;
                wait = pause;
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            try
            {
                for (var waited = TimeSpan.Zero; waited < wait; waited += Pulse)
                {
                    await Task.Delay(Pulse < wait ? Pulse : wait, clock, stop.Token);
                    if (!failing && Volatile.Read(ref heard) != 0) break;
                }
            }
            catch (OperationCanceledException) { break; }
        }
        if (ear is not null) await LeaveAsync(grain, ear);
    }

    private async Task LeaveAsync(ISessionGrain grain, ISessionObserver ear)
    {
        try { await grain.UnlistenAsync(ear, CancellationToken.None).AsTask().WaitAsync(CallLimit, clock); }
        catch (Exception) { /* the lease ends by itself */ }
        try { grains.DeleteObjectReference<ISessionObserver>(ear); }
        catch (Exception) { /* the client is going down, and the reference with it */ }
    }

    [LoggerMessage(6301, LogLevel.Information, "Listening to {Session} again", EventName = "gateway.feed.recovered")]
    private partial void LogListening(string session);

    [LoggerMessage(6302, LogLevel.Warning, "Cannot listen to {Session}; trying on: {Kind}: {Cause}", EventName = "gateway.feed.away")]
    private partial void LogNotListening(string session, string kind, string cause);
}
