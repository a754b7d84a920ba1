using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.Workspaces.V1;
using Marionette.Workspaces;

namespace Marionette.Gateway.Tests.Support;

/// <summary>The library's store over a runner's calls, as small as it can be.</summary>
internal sealed class RemoteBlobs(WorkspaceClient client) : IBlobStore
{
    public ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IBlobUpload>(new Upload(client.PutPack()));

    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken) =>
        (await client.CallAsync<PutObjectReply>("PutObject", new PutObjectRequest { Name = name, Content = ByteString.CopyFrom(content.Span), Replace = how == BlobPut.Replace })).Put;

    public async ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken)
    {
        var read = 0;
        await foreach (var part in client.StreamAsync<ObjectPart>("ReadObject", new ReadObjectRequest { Name = name, Offset = offset, Length = target.Length }, cancellationToken))
        {
            part.Content.Span.CopyTo(target.Span[read..]);
            read += part.Content.Length;
        }

        return read;
    }

    public async ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken) =>
        (await client.CallAsync<FindObjectReply>("FindObject", new FindObjectRequest { Name = name })).Info is { } info ? ToInfo(info) : null;

    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var info in client.StreamAsync<ObjectInfo>("ListObjects", new ListObjectsRequest { Prefix = prefix }, cancellationToken)) yield return ToInfo(info);
    }

    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken) => await client.CallAsync<DeleteObjectReply>("DeleteObject", new DeleteObjectRequest { Name = name });

    private static BlobInfo ToInfo(ObjectInfo info) => new(info.Name, info.Length, DateTimeOffset.FromUnixTimeMilliseconds(info.WrittenMs));

    private sealed class Upload(AsyncClientStreamingCall<IMessage, PutPackReply> call) : IBlobUpload
    {
        public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
            await call.RequestStream.WriteAsync(new PackPart { Content = ByteString.CopyFrom(bytes.Span) }, cancellationToken);

        public async ValueTask CommitAsync(string name, CancellationToken cancellationToken)
        {
            await call.RequestStream.WriteAsync(new PackPart { Name = StoreNames.Last(name) }, cancellationToken);
            await call.RequestStream.CompleteAsync();
            await call.ResponseAsync;
        }

        public ValueTask DisposeAsync()
        {
            call.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>The library's index over a runner's calls.</summary>
internal sealed class RemoteIndex(WorkspaceClient client) : IChunkIndex
{
    public async ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken)
    {
        var bytes = new byte[ids.Length * ChunkId.Size];
        for (var i = 0; i < ids.Length; i++) ids.Span[i].CopyTo(bytes.AsSpan(i * ChunkId.Size));
        var reply = await client.CallAsync<FindChunksReply>("FindChunks", new FindChunksRequest { Ids = ByteString.CopyFrom(bytes) });
        for (var i = 0; i < ids.Length; i++) found.Span[i] = reply.Places[i] is { Pack: > 0 } place ? ToLocation(place, reply.Packs[(int)place.Pack - 1]) : null;
    }

    public async Task AddAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken) =>
        await client.CallAsync<AddPacksReply>("AddPacks", new AddPacksRequest { Packs = { packs.Select(pack => pack.Name) } });

    public Task RemoveAsync(IReadOnlyCollection<string> packs, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task RefreshAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    private static ChunkLocation ToLocation(ChunkPlace place, string pack) => new()
    {
        Pack = pack, Offset = place.Offset, StoredLength = place.StoredLength, PlainLength = place.PlainLength, Type = (ChunkType)place.Type, Method = (ChunkMethod)place.Method,
    };
}
