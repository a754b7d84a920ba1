namespace Marionette.Gateway.Streams;

/// <summary>
/// Carries a feed to one reader: what is stored, then what happens, each event once and in order. All it remembers is the position
/// of the last event.
/// </summary>
internal sealed partial class EventPump(EventFeed feed, IEventSink sink, TypeFilter filter, GatewayOptions options, TimeProvider clock, ILogger log)
{
    private const int SliceBytes = 64 * 1024;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(3);

    private long lastWrite = clock.GetTimestamp();
    private TimeSpan pause = FirstPause;
    private bool failing;

    /// <summary>Runs until the token ends it, or everything up to <paramref name="until"/> is sent.</summary>
    /// <returns>Position of the last event that was sent or filtered out.</returns>
    public async Task<StreamPosition> RunAsync(StreamPosition after, StreamPosition? until, CancellationToken cancellationToken)
    {
        // A wait costs no timer and no registration of its own: cancellation wakes it through the feed's signal.
        await using var wake = cancellationToken.Register(static state => ((EventFeed)state!).Signal(), feed);
        while (!cancellationToken.IsCancellationRequested)
        {
            var changed = feed.Changed;
            var state = FeedState.Current;
            while (!sink.IsFull && !(until <= after) && (state = feed.Read(after, out var block)) == FeedState.Ready)
            {
                var next = block!.IndexAfter(after);
                if (block.Frames[next].LargePayload > 0) break;
                after = block.Frames[sink.Take(block, next, filter) - 1].Position;
            }
            if (sink.HasPending)
            {
                await sink.FlushAsync(cancellationToken);
                lastWrite = clock.GetTimestamp();
                continue;
            }
            if (until <= after) break;
            if (state == FeedState.Ready) after = await LargeAsync(after, cancellationToken);
            else if (state == FeedState.Behind) await LoadAsync(after, changed, cancellationToken);
            else if (!await HeartbeatAsync(after, cancellationToken)) await changed;
        }
        return after;
    }

    private async Task LoadAsync(StreamPosition after, Task changed, CancellationToken cancellationToken)
    {
        try
        {
            if (await feed.LoadAsync(after, cancellationToken))
            {
                (failing, pause) = (false, FirstPause);
                return;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }
        catch (Exception exception)
        {
            // The connection stays: the client could do nothing but come back and wait.
            if (!failing) LogLoadFailed(exception.GetType().Name, exception.Message);
            failing = true;
        }
        await HeartbeatAsync(after, cancellationToken);
        await Task.WhenAny(changed, Task.Delay(pause, clock, cancellationToken));
        pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
    }

    private async Task<bool> HeartbeatAsync(StreamPosition after, CancellationToken cancellationToken)
    {
        if (clock.GetElapsedTime(lastWrite) < options.Heartbeat - FeedHub.TickTime) return false;
        await sink.HeartbeatAsync(after, cancellationToken);
        lastWrite = clock.GetTimestamp();
        return true;
    }

    private async Task<StreamPosition> LargeAsync(StreamPosition after, CancellationToken cancellationToken)
    {
        if (!BeginLarge(after, out var position, out var length)) return position;
        for (var offset = 0L; offset < length;)
        {
            int sent;
            try
            {
                var piece = await feed.PieceAsync(position, offset, cancellationToken);
                if (piece.IsEmpty) throw new InvalidDataException($"The payload at {position} ends at {offset}, not at {length} bytes.");
                sent = (int)Math.Min(Math.Min(piece.Length, SliceBytes), length - offset);
                piece = piece[..sent];
                // Not held over the wait for a slow client: the next round takes it from the feed again.
                await sink.WritePieceAsync(piece, cancellationToken);
            }
            catch (Npgsql.NpgsqlException exception)
            {
                LogLoadFailed(exception.GetType().Name, exception.Message);
                await Task.Delay(LongestPause, clock, cancellationToken);
                continue;
            }
            offset += sent;
        }
        await sink.EndLargeAsync(cancellationToken);
        lastWrite = clock.GetTimestamp();
        return position;
    }

    private bool BeginLarge(StreamPosition after, out StreamPosition position, out long length)
    {
        (position, length) = (after, 0);
        if (feed.Read(after, out var block) != FeedState.Ready) return false; // the page has just been let go: look again
        ref readonly var frame = ref block!.Frames[block.IndexAfter(after)];
        (position, length) = (frame.Position, frame.LargePayload);
        return filter.Passes(frame.Type) && sink.BeginLarge(block, frame);
    }

    [LoggerMessage(6305, LogLevel.Warning, "Cannot replay stored events; trying on: {Kind}: {Cause}", EventName = "gateway.replay.failed")]
    private partial void LogLoadFailed(string kind, string cause);
}
