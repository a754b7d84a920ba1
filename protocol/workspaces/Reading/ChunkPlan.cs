using System.Buffers;

namespace Marionette.Workspaces;

/// <summary>Where chunks lie that are about to be read. Those that lie side by side in a pack are read together.</summary>
internal sealed class ChunkPlan : IDisposable
{
    private const int MostYoung = 16 * 1024, MostHeld = 16 * 1024 * 1024, MostGap = 16 * 1024, RunLimit = 2 * 1024 * 1024;

    private readonly Queue<ChunkRun> _held = [];
    private Dictionary<ChunkId, PlannedChunk> _young = [], _old = [];
    private int _heldBytes;

    public PlannedChunk? Find(ChunkId id) => _young.GetValueOrDefault(id) ?? _old.GetValueOrDefault(id);

    /// <summary>Takes in what the index has found; what it has not is asked for again when it is read.</summary>
    public void Add(ReadOnlySpan<ChunkId> ids, ReadOnlySpan<ChunkLocation?> found)
    {
        if (_young.Count + ids.Length > MostYoung)
            (_old, _young) = (_young, []);
        var added = new List<PlannedChunk>(ids.Length);
        for (var i = 0; i < ids.Length; i++)
            if (found[i] is { } place && new PlannedChunk(place) is var chunk && _young.TryAdd(ids[i], chunk))
                added.Add(chunk);
        added.Sort((a, b) => string.CompareOrdinal(a.Place.Pack, b.Place.Pack) is var order and not 0 ? order : a.Place.Offset.CompareTo(b.Place.Offset));
        for (var first = 0; first < added.Count;)
        {
            var next = first + 1;
            while (next < added.Count && IsNear(added[first].Place, added[next - 1].Place, added[next].Place))
                next++;
            if (next - first > 1)
            {
                var run = new ChunkRun(added[first].Place, (int)(End(added[next - 1].Place) - added[first].Place.Offset));
                for (var i = first; i < next; i++)
                    added[i].Run = run;
            }

            first = next;
        }
    }

    /// <summary>A chunk's stored bytes out of its run.</summary>
    /// <returns>Null when it has to be read alone: its run was read before and let go, or cannot be read whole.</returns>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(IBlobStore blobs, PlannedChunk chunk, CancellationToken cancellationToken)
    {
        if (chunk.Run is not { } run || (run.IsDone && run.Bytes is null))
            return null;
        if (run.Bytes is null)
        {
            run.IsDone = true;
            var bytes = ArrayPool<byte>.Shared.Rent(run.Length);
            try
            {
                await blobs.ReadExactlyAsync(StoreNames.Pack(run.First.Pack), run.First.Offset, bytes.AsMemory(0, run.Length),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (WorkspaceException fault) when (fault.Fault == WorkspaceFault.Corrupt)
            {
                // Cut off within the run: what lies before that can be read, and the rest is to be told by its own name.
                ArrayPool<byte>.Shared.Return(bytes);
                return null;
            }

            run.Bytes = bytes;
            _heldBytes += run.Length;
            _held.Enqueue(run);
            while (_heldBytes > MostHeld && _held.Count > 1)
                LetGo();
        }

        return run.Bytes.AsMemory((int)(chunk.Place.Offset - run.First.Offset), chunk.Place.StoredLength);
    }

    /// <summary>Places may have changed.</summary>
    public void Forget()
    {
        (_young, _old) = ([], []);
        while (_held.Count > 0)
            LetGo();
    }

    public void Dispose() => Forget();

    private static bool IsNear(in ChunkLocation first, in ChunkLocation last, in ChunkLocation next) =>
        next.Pack == first.Pack && next.Offset >= End(last) && next.Offset - End(last) <= MostGap && End(next) - first.Offset <= RunLimit;

    private static long End(in ChunkLocation place) => place.Offset + place.StoredLength;

    private void LetGo()
    {
        var run = _held.Dequeue();
        _heldBytes -= run.Length;
        ArrayPool<byte>.Shared.Return(run.Bytes!);
        run.Bytes = null;
    }
}

/// <summary>A chunk that is about to be read.</summary>
internal sealed class PlannedChunk(ChunkLocation place)
{
    public ChunkLocation Place => place;

    /// <summary>Null: it lies alone.</summary>
    public ChunkRun? Run { get; set; }
}

/// <summary>A part of a pack with several chunks that are wanted.</summary>
internal sealed class ChunkRun(ChunkLocation first, int length)
{
    public ChunkLocation First => first;

    public int Length => length;

    /// <summary>It was read: a second time would cost more than its chunks do alone.</summary>
    public bool IsDone { get; set; }

    /// <summary>While they are held.</summary>
    public byte[]? Bytes { get; set; }
}
