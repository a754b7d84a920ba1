using System.Collections.Concurrent;

namespace Marionette.Workspaces;

/// <summary>Stores the chunks of batches that the store does not have: looked up together, then compressed, sealed and appended to packs.</summary>
internal sealed class ChunkUploader(IBlobStore blobs, IChunkIndex index, IReadOnlySet<string> condemned) : IAsyncDisposable
{
    private const int PacksUnderway = 3;

    private readonly ConcurrentDictionary<ChunkId, bool> _seen = new();
    private readonly ConcurrentBag<PackWriter> _data = [], _tree = [];
    private readonly SemaphoreSlim _underway = new(PacksUnderway);
    private readonly List<Task<PackContents>> _commits = [];
    private readonly Lock _gate = new();
    private long _newChunks, _bytesStored;

    public long NewChunks => Interlocked.Read(ref _newChunks);

    public long BytesStored => Interlocked.Read(ref _bytesStored);

    /// <summary>Whether all of the chunks are stored, in packs that will stay.</summary>
    public async ValueTask<bool> HasAllAsync(ReadOnlyMemory<ChunkId> ids, CancellationToken cancellationToken)
    {
        var found = new ChunkLocation?[ids.Length];
        await index.FindAsync(ids, found, cancellationToken).ConfigureAwait(false);
        return Array.TrueForAll(found, place => place is { } there && !condemned.Contains(there.Pack));
    }

    public async ValueTask ProcessAsync(ChunkBatch batch, UploadBuffers buffers, CancellationToken cancellationToken)
    {
        buffers.Wanted.Clear();
        buffers.Ids.Clear();
        foreach (var chunk in batch.Chunks)
        {
            if (!_seen.TryAdd(chunk.Id, true))
                continue;
            buffers.Wanted.Add(chunk);
            buffers.Ids.Add(chunk.Id);
        }

        if (buffers.Found.Length < buffers.Ids.Count)
            buffers.Found = new ChunkLocation?[Math.Max(buffers.Ids.Count, buffers.Found.Length * 2)];
        await index.FindAsync(buffers.Ids.ToArray(), buffers.Found.AsMemory(0, buffers.Ids.Count), cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < buffers.Wanted.Count; i++)
        {
            // What a collection is about to delete is stored anew.
            if (buffers.Found[i] is not { } place || condemned.Contains(place.Pack))
                await StoreAsync(buffers.Wanted[i], batch, buffers, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Ends all packs and makes them known: afterwards everything that was processed is stored durably.</summary>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        foreach (var bag in new[] { _data, _tree })
            while (bag.TryTake(out var pack))
                await CommitAsync(pack, cancellationToken).ConfigureAwait(false);
        Task<PackContents>[] commits;
        lock (_gate)
            commits = [.. _commits];
        await index.AddAsync(await Task.WhenAll(commits).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var bag in new[] { _data, _tree })
            while (bag.TryTake(out var pack))
                await pack.DisposeAsync().ConfigureAwait(false);
        Task[] commits;
        lock (_gate)
            commits = [.. _commits];
        await Task.WhenAll(commits).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // FinishAsync told of failures
        _underway.Dispose();
    }

    private async ValueTask StoreAsync(StagedChunk chunk, ChunkBatch batch, UploadBuffers buffers, CancellationToken cancellationToken)
    {
        var (length, method) = buffers.Codec.Seal(chunk.Reference, chunk.Type, batch.Buffer.AsSpan(chunk.Offset, chunk.Length), ref buffers.Sealed);
        Interlocked.Increment(ref _newChunks);
        Interlocked.Add(ref _bytesStored, length + PackFormat.EntrySize);
        // Trees and files lie in packs of their own: who walks a tree reads few objects.
        var bag = chunk.Type == ChunkType.Tree ? _tree : _data;
        if (!bag.TryTake(out var pack))
            pack = await PackWriter.BeginAsync(blobs, cancellationToken).ConfigureAwait(false);
        try
        {
            await pack.AppendAsync(new PackEntry(chunk.Id, length, chunk.Length, chunk.Type) { Method = method }, buffers.Sealed.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await pack.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        if (pack.Length < PackFormat.TargetSize)
            bag.Add(pack);
        else
            await CommitAsync(pack, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A full pack is made durable while the next one is filled.</summary>
    private async Task CommitAsync(PackWriter pack, CancellationToken cancellationToken)
    {
        try
        {
            await _underway.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await pack.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        var commit = Task.Run(
            async () =>
            {
                try
                {
                    await using (pack.ConfigureAwait(false))
                        return await pack.CommitAsync(cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    _underway.Release();
                }
            },
            CancellationToken.None);
        lock (_gate)
            _commits.Add(commit);
    }
}

/// <summary>What one worker uses again and again.</summary>
internal sealed class UploadBuffers(int level) : IDisposable
{
    public byte[] Sealed = [];

    public ChunkCodec Codec { get; } = new(level);

    public List<StagedChunk> Wanted { get; } = [];

    public List<ChunkId> Ids { get; } = [];

    public ChunkLocation?[] Found { get; set; } = new ChunkLocation?[64];

    public void Dispose() => Codec.Dispose();
}
