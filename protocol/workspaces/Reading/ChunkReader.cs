namespace Marionette.Workspaces;

/// <summary>Fetches, opens and checks chunks. One at a time may use it.</summary>
internal sealed class ChunkReader(IBlobStore blobs, IChunkIndex index, ConvergenceKey? key = null) : IDisposable
{
    private readonly ChunkCodec _codec = new();
    private readonly ChunkPlan _plan = new();
    private readonly ChunkId[] _id = new ChunkId[1];
    private readonly ChunkLocation?[] _found = new ChunkLocation?[1];
    private byte[] _stored = [], _plain = [];

    /// <summary>Says which chunks will be read next: the index is asked for all of them at once, and neighbours in a pack are read together.</summary>
    public async ValueTask PlanAsync(IEnumerable<ChunkRef> references, ChunkType type, CancellationToken cancellationToken)
    {
        var ids = references.Select(reference => reference.ToId(type)).Where(id => _plan.Find(id) is null).Distinct().ToArray();
        if (ids.Length < 2)
            return; // reading it asks just as well
        var found = new ChunkLocation?[ids.Length];
        await index.FindAsync(ids, found, cancellationToken).ConfigureAwait(false);
        _plan.Add(ids, found);
    }

    /// <summary>A chunk's content, valid until the next call.</summary>
    /// <param name="expected">Its length, where it is known; -1: not.</param>
    /// <exception cref="WorkspaceException">Missing, Corrupt.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(ChunkRef reference, ChunkType type, long expected, CancellationToken cancellationToken)
    {
        _id[0] = reference.ToId(type);
        for (var again = false; ; again = true)
        {
            var planned = _plan.Find(_id[0]);
            if (planned is null)
                await index.FindAsync(_id, _found, cancellationToken).ConfigureAwait(false);
            try
            {
                if ((planned?.Place ?? _found[0]) is not { } place)
                    throw WorkspaceException.Missing($"Chunk {_id[0]} is not in the store.");
                return await OpenAsync(reference, type, place, planned, expected, cancellationToken).ConfigureAwait(false);
            }
            catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing && !again)
            {
                // A collection may have moved it.
                _plan.Forget();
                await index.RefreshAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public void Dispose()
    {
        _codec.Dispose();
        _plan.Dispose();
    }

    private async ValueTask<ReadOnlyMemory<byte>> OpenAsync(
        ChunkRef reference, ChunkType type, ChunkLocation place, PlannedChunk? planned, long expected, CancellationToken cancellationToken)
    {
        if (place.Type != type || (expected >= 0 && place.PlainLength != expected))
            throw WorkspaceException.Corrupt($"Chunk {_id[0]} in pack {place.Pack} is not what its snapshot says it is.");
        ChunkCodec.Grow(ref _plain, place.PlainLength);
        var plain = _plain.AsMemory(0, place.PlainLength);
        var ahead = planned is null ? null : await _plan.ReadAsync(blobs, planned, cancellationToken).ConfigureAwait(false);
        var stored = ahead ?? await AloneAsync(place, cancellationToken).ConfigureAwait(false);
        _codec.Open(reference, _id[0], place, stored.Span, plain.Span);
        // With the tenant's key even a writer of the same tenant cannot have put other content under this reference.
        if (key is not null && key.Reference(type, plain.Span) != reference)
            throw WorkspaceException.Corrupt($"Chunk {_id[0]} in pack {place.Pack} holds other content than its reference says: its writer was false, or had older keys.");
        return plain;
    }

    private async ValueTask<ReadOnlyMemory<byte>> AloneAsync(ChunkLocation place, CancellationToken cancellationToken)
    {
        ChunkCodec.Grow(ref _stored, place.StoredLength);
        var stored = _stored.AsMemory(0, place.StoredLength);
        await blobs.ReadExactlyAsync(StoreNames.Pack(place.Pack), place.Offset, stored, cancellationToken).ConfigureAwait(false);
        return stored;
    }
}
