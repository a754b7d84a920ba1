using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Workspaces;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>The objects of the tenant's store that a runner may touch, through a gateway.</summary>
internal sealed class RemoteBlobStore(StoreConnection connection) : IBlobStore
{
    private readonly BlockCache blocks = new(connection);

    public ValueTask<IBlobUpload> BeginAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult<IBlobUpload>(new PackUpload(connection, cancellationToken));

    public async ValueTask<bool> PutAsync(string name, ReadOnlyMemory<byte> content, BlobPut how, CancellationToken cancellationToken)
    {
        var request = new Wire.PutObjectRequest { Name = name, Content = ByteString.CopyFrom(content.Span), Replace = how == BlobPut.Replace };
        return (await connection.CallAsync(options => connection.Client.PutObjectAsync(request, options), cancellationToken).ConfigureAwait(false)).Put;
    }

    public ValueTask<int> ReadAsync(string name, long offset, Memory<byte> target, CancellationToken cancellationToken) =>
        blocks.ReadAsync(name, offset, target, cancellationToken);

    public async ValueTask<BlobInfo?> FindAsync(string name, CancellationToken cancellationToken)
    {
        var request = new Wire.FindObjectRequest { Name = name };
        var reply = await connection.CallAsync(options => connection.Client.FindObjectAsync(request, options), cancellationToken).ConfigureAwait(false);
        return reply.Info is { } info ? ToInfo(info) : null;
    }

    public async IAsyncEnumerable<BlobInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var call = connection.Client.ListObjects(new Wire.ListObjectsRequest { Prefix = prefix }, connection.Streaming(cancellationToken));
        while (await NextAsync(call.ResponseStream, cancellationToken).ConfigureAwait(false))
            yield return ToInfo(call.ResponseStream.Current);
    }

    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken)
    {
        var request = new Wire.DeleteObjectRequest { Name = name };
        await connection.CallAsync(options => connection.Client.DeleteObjectAsync(request, options), cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> NextAsync(IAsyncStreamReader<Wire.ObjectInfo> stream, CancellationToken cancellationToken)
    {
        try
        {
            return await stream.MoveNext(cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException exception)
        {
            throw StoreConnection.Translate(exception, cancellationToken);
        }
    }

    private static BlobInfo ToInfo(Wire.ObjectInfo info) => new(info.Name, info.Length, DateTimeOffset.FromUnixTimeMilliseconds(info.WrittenMs));
}
