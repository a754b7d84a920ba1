namespace Marionette.Workspaces;

/// <summary>Fetches, opens and checks chunks. One at a time may use it.</summary>
internal sealed class ChunkReader(IBlobStore blobs, IChunkIndex index, ConvergenceKey? key = null) : IDisposable
{
    private readonly ChunkCodec _codec = new();
    private readonly ChunkId[] _id = new ChunkId[1];
    private readonly ChunkLocation?[] _found = new ChunkLocation?[1];
    private byte[] _stored = [], _plain = [];

    /// <summary>A chunk's content, valid until the next call.</summary>
    /// <param name="expected">Its length, where it is known; -1: not.</param>
    /// <exception cref="WorkspaceException">Missing, Corrupt.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(ChunkRef reference, ChunkType type, long expected, CancellationToken cancellationToken)
    {
        _id[0] = reference.ToId(type);
        for (var again = false; ; again = true)
        {
            await index.FindAsync(_id, _found, cancellationToken).ConfigureAwait(false);
            try
            {
                if (_found[0] is not { } place)
                    throw WorkspaceException.Missing($"Chunk {_id[0]} is not in the store.");
                return await OpenAsync(reference, type, place, expected, cancellationToken).ConfigureAwait(false);
            }
            catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing && !again)
            {
                // A collection may have moved it.
                await index.RefreshAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public void Dispose() => _codec.Dispose();

    private async ValueTask<ReadOnlyMemory<byte>> OpenAsync(ChunkRef reference, ChunkType type, ChunkLocation place, long expected, CancellationToken cancellationToken)
    {
        if (place.Type != type || (expected >= 0 && place.PlainLength != expected))
            throw WorkspaceException.Corrupt($"Chunk {_id[0]} in pack {place.Pack} is not what its snapshot says it is.");
        ChunkCodec.Grow(ref _stored, place.StoredLength);
        ChunkCodec.Grow(ref _plain, place.PlainLength);
        var stored = _stored.AsMemory(0, place.StoredLength);
        await blobs.ReadExactlyAsync(StoreNames.Pack(place.Pack), place.Offset, stored, cancellationToken).ConfigureAwait(false);
        var plain = _plain.AsMemory(0, place.PlainLength);
        _codec.Open(reference, _id[0], place, stored.Span, plain.Span);
        // With the tenant's key even a writer of the same tenant cannot have put other content under this reference.
        if (key is not null && key.Reference(type, plain.Span) != reference)
            throw WorkspaceException.Corrupt($"Chunk {_id[0]} in pack {place.Pack} holds other content than its reference says: its writer was false, or had older keys.");
        return plain;
    }
}
