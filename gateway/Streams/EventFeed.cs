namespace Marionette.Gateway.Streams;

/// <summary>What a feed has for a reader.</summary>
internal enum FeedState
{
    /// <summary>The reader has everything.</summary>
    Current,
    /// <summary>The next events are in memory.</summary>
    Ready,
    /// <summary>The next events have to be loaded.</summary>
    Behind,
}

/// <summary>
/// One stream on this gateway, shared by its readers: the newest events in a ring, a few stored pages that readers replay, and a
/// signal. A reader keeps nothing but the position of the last event that it was given, so a slow one costs no memory and holds
/// nobody up.
/// </summary>
internal abstract class EventFeed(GatewayOptions options, SemaphoreSlim loads) : IAsyncDisposable
{
    private const int CachedBlocks = 16;

    /// <summary>Large payloads are read in pieces of this many bytes.</summary>
    public const int PieceBytes = 1024 * 1024;

    private readonly Lock gate = new();
    private readonly EventRing ring = new(options.RingEvents, options.RingBytes);
    private readonly List<EventBlock> replay = new(CachedBlocks);
    private readonly SemaphoreSlim loading = new(1, 1), pieceLoading = new(1, 1);
    private TaskCompletionSource changed = NewSignal();
    private (StreamPosition Position, long Offset, byte[] Bytes)? piece;
    private StreamPosition head;
    private bool replayUsed, pieceUsed;

    /// <summary>Completes when there may be something new. Take it before looking, then nothing is missed.</summary>
    public Task Changed => Volatile.Read(ref changed).Task;

    /// <summary>Position of the newest durable event that is known here.</summary>
    public StreamPosition Head
    {
        get { lock (gate) return head; }
    }

    /// <summary>Wakes every reader.</summary>
    public void Signal() => Interlocked.Exchange(ref changed, NewSignal()).TrySetResult();

    /// <summary>What there is after the position; with <see cref="FeedState.Ready"/> the block that holds the next event.</summary>
    public FeedState Read(StreamPosition after, out EventBlock? block)
    {
        lock (gate)
        {
            block = ring.Find(after) ?? FindReplay(after);
            if (block is not null) return FeedState.Ready;
            return after < head ? FeedState.Behind : FeedState.Current;
        }
    }

    /// <summary>Loads the page after the position, once for all who wait for it. False: the store has nothing there yet.</summary>
    public async Task<bool> LoadAsync(StreamPosition after, CancellationToken cancellationToken)
    {
        await loading.WaitAsync(cancellationToken);
        try
        {
            if (Read(after, out _) != FeedState.Behind) return true;
            await loads.WaitAsync(cancellationToken); // over all streams: replay must not use up the database's connections
            List<EventBlock> blocks;
            try { blocks = await FetchAsync(after, cancellationToken); }
            finally { loads.Release(); }
            lock (gate)
            {
                replay.AddRange(blocks);
                replayUsed = true;
                if (replay.Count > CachedBlocks) replay.RemoveRange(0, Math.Min(replay.Count - CachedBlocks, replay.Count - blocks.Count));
            }
            return blocks.Count > 0;
        }
        finally
        {
            loading.Release();
        }
    }

    /// <summary>The piece of a large payload that begins at the offset, shared by readers that are at the same place.</summary>
    public async Task<ReadOnlyMemory<byte>> PieceAsync(StreamPosition position, long offset, CancellationToken cancellationToken)
    {
        await pieceLoading.WaitAsync(cancellationToken);
        try
        {
            var start = offset - offset % PieceBytes;
            if (piece is not { } kept || kept.Position != position || kept.Offset != start)
            {
                await loads.WaitAsync(cancellationToken);
                byte[] bytes;
                try { bytes = await FetchPieceAsync(position, start, PieceBytes, cancellationToken); }
                finally { loads.Release(); }
                EventBlockBuilder.KeepOnOneLine(bytes);
                piece = kept = (position, start, bytes);
            }
            pieceUsed = true;
            return kept.Bytes.AsMemory((int)Math.Min(offset - start, kept.Bytes.Length));
        }
        finally
        {
            pieceLoading.Release();
        }
    }

    /// <summary>Called now and then: wakes readers for their heartbeat and lets go of pages that nobody replays.</summary>
    public void Tick()
    {
        lock (gate)
        {
            if (!replayUsed) replay.Clear();
            replayUsed = false;
        }
        if (pieceLoading.Wait(0))
        {
            if (!pieceUsed) piece = null;
            pieceUsed = false;
            pieceLoading.Release();
        }
        Signal();
    }

    /// <inheritdoc />
    public abstract ValueTask DisposeAsync();

    /// <summary>Reads a page of stored events.</summary>
    protected abstract Task<List<EventBlock>> FetchAsync(StreamPosition after, CancellationToken cancellationToken);

    /// <summary>Reads a part of a stored payload.</summary>
    protected abstract Task<byte[]> FetchPieceAsync(StreamPosition position, long offset, int length, CancellationToken cancellationToken);

    /// <summary>Where the ring ends.</summary>
    protected StreamPosition RingEnd
    {
        get { lock (gate) return ring.End; }
    }

    /// <summary>New events, which readers can take at once.</summary>
    protected void Append(List<EventBlock> blocks)
    {
        if (blocks.Count == 0) return;
        lock (gate)
        {
            foreach (var block in blocks) ring.Append(block);
            if (head < ring.End) head = ring.End;
        }
        Signal();
    }

    /// <summary>Events up to here are durable, whether they were seen here or not.</summary>
    protected void RaiseHead(StreamPosition position)
    {
        lock (gate)
        {
            if (position <= head) return;
            head = position;
        }
        Signal();
    }

    /// <summary>The ring starts behind this position.</summary>
    protected void StartAt(StreamPosition position)
    {
        lock (gate)
        {
            ring.Reset(position);
            if (head < position) head = position;
        }
    }

    private EventBlock? FindReplay(StreamPosition after)
    {
        foreach (var block in replay)
        {
            if (!block.Covers(after)) continue;
            replayUsed = true;
            return block;
        }
        return null;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
