using System.Collections.Concurrent;
using Google.Protobuf;
using Marionette.Workspaces;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// The tenant's index through a gateway. A restore learns all of a pack at once, from the pack's own list: whoever needs one chunk of it needs its
/// neighbours next.
/// </summary>
/// <param name="learn">Where packs are read; null: only what is asked for is learned, as a snapshot wants it.</param>
internal sealed class RemoteChunkIndex(StoreConnection connection, IBlobStore? learn = null) : IChunkIndex
{
    private const int MostIds = 10_000, PacksAtATime = 64;

    private readonly ConcurrentDictionary<ChunkId, ChunkLocation> known = new();
    private readonly ConcurrentDictionary<string, Task> packs = new(StringComparer.Ordinal);

    public async ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken)
    {
        var unknown = new List<int>();
        for (var i = 0; i < ids.Length; i++)
        {
            if (known.TryGetValue(ids.Span[i], out var place))
                found.Span[i] = place;
            else
                unknown.Add(i);
        }

        foreach (var some in unknown.Chunk(MostIds))
            await AskAsync(ids, found, some, cancellationToken).ConfigureAwait(false);
    }

    public async Task AddAsync(IReadOnlyList<PackContents> added, CancellationToken cancellationToken)
    {
        if (added.Count == 0)
            return;
        foreach (var some in added.Chunk(PacksAtATime))
        {
            var request = new Wire.AddPacksRequest();
            request.Packs.AddRange(some.Select(pack => pack.Name));
            request.Lengths.AddRange(some.Select(pack => pack.Length));
            await connection.CallAsync(options => connection.Client.AddPacksAsync(request, options), cancellationToken).ConfigureAwait(false);
        }
    }

    public Task RemoveAsync(IReadOnlyCollection<string> removed, CancellationToken cancellationToken) =>
        throw new WorkspaceException(WorkspaceFault.Invalid, "A runner removes nothing from the store.");

    public Task RefreshAsync(CancellationToken cancellationToken)
    {
        known.Clear();
        packs.Clear();
        return Task.CompletedTask;
    }

    public ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken) =>
        throw new WorkspaceException(WorkspaceFault.Invalid, "A runner does not see what else is stored.");

    private async Task AskAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, int[] which, CancellationToken cancellationToken)
    {
        var wanted = new byte[which.Length * ChunkId.Size];
        for (var i = 0; i < which.Length; i++)
            ids.Span[which[i]].CopyTo(wanted.AsSpan(i * ChunkId.Size));
        var request = new Wire.FindChunksRequest { Ids = UnsafeByteOperations.UnsafeWrap(wanted) };
        var reply = await connection.CallAsync(options => connection.Client.FindChunksAsync(request, options), cancellationToken).ConfigureAwait(false);
        if (reply.Places.Count != which.Length)
            throw new WorkspaceException(WorkspaceFault.Io, "The chunk store's answer does not fit the question.");
        for (var i = 0; i < which.Length; i++)
            found.Span[which[i]] = ToLocation(reply, reply.Places[i]);
        if (learn is null)
            return;
        foreach (var pack in reply.Packs)
            await packs.GetOrAdd(pack, name => LearnAsync(learn, name, cancellationToken)).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static ChunkLocation? ToLocation(Wire.FindChunksReply reply, Wire.ChunkPlace place)
    {
        if (place.Pack == 0)
            return null;
        if (place.Pack > reply.Packs.Count)
            throw new WorkspaceException(WorkspaceFault.Io, "The chunk store named a pack that it did not list.");
        return new ChunkLocation
        {
            Pack = reply.Packs[(int)place.Pack - 1], Offset = place.Offset, StoredLength = place.StoredLength, PlainLength = place.PlainLength,
            Type = (ChunkType)place.Type, Method = (ChunkMethod)place.Method,
        };
    }

    private async Task LearnAsync(IBlobStore store, string pack, CancellationToken cancellationToken)
    {
        var contents = await PackReader.ReadListAsync(store, pack, cancellationToken).ConfigureAwait(false);
        var offset = (long)PackFormat.HeaderSize;
        foreach (var entry in contents.Entries)
        {
            known.TryAdd(entry.Id, new ChunkLocation
            {
                Pack = pack, Offset = offset, StoredLength = entry.StoredLength, PlainLength = entry.PlainLength, Type = entry.Type, Method = entry.Method,
            });
            offset += entry.StoredLength;
        }
    }
}
