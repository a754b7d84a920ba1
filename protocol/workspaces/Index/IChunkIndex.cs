namespace Marionette.Workspaces;

/// <summary>Which chunks are stored, and where. Asked for many at once, so that a far index costs few round trips.</summary>
public interface IChunkIndex
{
    /// <summary>Looks chunks up.</summary>
    /// <param name="found">As many places as ids; null where a chunk is not known.</param>
    ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken);

    /// <summary>Makes packs known, durably. A pack that is known already changes nothing.</summary>
    Task AddAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken);

    /// <summary>Forgets packs that are about to be deleted.</summary>
    Task RemoveAsync(IReadOnlyCollection<string> packs, CancellationToken cancellationToken);

    /// <summary>What others have added or removed so far is seen from here on.</summary>
    Task RefreshAsync(CancellationToken cancellationToken);

    /// <summary>All known packs.</summary>
    ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken);
}
