using System.Buffers;
using Blake3;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.Workspaces.V1;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <content>Objects: packs, leases, and what is condemned.</content>
internal sealed partial class WorkspaceGrpc
{
    /// <summary>Uploads end packs at a quarter of this.</summary>
    public const int MaxPackBytes = 64 << 20;

    private const int MaxReadBytes = 64 << 20, PartBytes = 1 << 20, MaxLeaseBytes = 64;

    /// <inheritdoc/>
    public override Task<PutPackReply> PutPack(IAsyncStreamReader<PackPart> requestStream, ServerCallContext context) =>
        CallAsync(context, async (caller, chunks, token) =>
        {
            await quota.CheckAsync(caller.Tenant, token);
            // Without commit it leaves nothing.
            await using var upload = await chunks.Blobs.BeginAsync(token);
            var (name, length) = await ReceiveAsync(requestStream, upload, token);
            await stores.Commits.WaitAsync(token);
            try
            {
                await upload.CommitAsync(StoreNames.Pack(name), token);
            }
            finally
            {
                stores.Commits.Release();
            }

            quota.Take(caller.Tenant, name, length);
            return new PutPackReply();
        });

    /// <inheritdoc/>
    public override Task ReadObject(ReadObjectRequest request, IServerStreamWriter<ObjectPart> responseStream, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            ObjectNames.CheckRead(request.Name);
            if (request.Offset < 0 || request.Length is < 0 or > MaxReadBytes)
                throw Refusals.Invalid($"An offset is from 0, a length from 0 to {MaxReadBytes}.");
            var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(request.Length, PartBytes));
            try
            {
                for (var sent = 0; sent < request.Length;)
                {
                    var part = buffer.AsMemory(0, Math.Min(Math.Min(request.Length - sent, PartBytes), buffer.Length));
                    var read = await chunks.Blobs.ReadAsync(request.Name, request.Offset + sent, part, token);
                    if (read == 0) break;
                    // Written out when the call returns, so the next part may take its place.
                    await responseStream.WriteAsync(new ObjectPart { Content = UnsafeByteOperations.UnsafeWrap(part[..read]) }, token);
                    sent += read;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            return true;
        });

    /// <inheritdoc/>
    public override Task<FindObjectReply> FindObject(FindObjectRequest request, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            ObjectNames.CheckFind(request.Name);
            var reply = new FindObjectReply();
            if (await chunks.Blobs.FindAsync(request.Name, token) is { } info) reply.Info = ToWire(info);
            return reply;
        });

    /// <inheritdoc/>
    public override Task<PutObjectReply> PutObject(PutObjectRequest request, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            ObjectNames.CheckLease(request.Name);
            if (request.Content.Length > MaxLeaseBytes) throw Refusals.Invalid($"A lease has at most {MaxLeaseBytes} bytes.");
            // Until when it runs is said by our clock: a runner's may be wrong, and one that lies would keep what was condemned for ever.
            var until = UploadLease.Expiry(clock.GetUtcNow() + UploadLease.Duration);
            return new PutObjectReply { Put = await chunks.Blobs.PutAsync(request.Name, until, request.Replace ? BlobPut.Replace : BlobPut.Fleeting, token) };
        });

    /// <inheritdoc/>
    public override Task ListObjects(ListObjectsRequest request, IServerStreamWriter<ObjectInfo> responseStream, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            ObjectNames.CheckList(request.Prefix);
            await foreach (var info in chunks.Blobs.ListAsync(request.Prefix, token)) await responseStream.WriteAsync(ToWire(info), token);
            return true;
        });

    /// <inheritdoc/>
    public override Task<DeleteObjectReply> DeleteObject(DeleteObjectRequest request, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            ObjectNames.CheckLease(request.Name);
            await chunks.Blobs.DeleteAsync(request.Name, token);
            return new DeleteObjectReply();
        });

    /// <summary>Hands a pack on as it comes, a part at a time, and counts and hashes it on the way.</summary>
    /// <returns>Its name, which is its hash, and its bytes.</returns>
    private static async Task<(string Name, long Length)> ReceiveAsync(IAsyncStreamReader<PackPart> parts, IBlobUpload upload, CancellationToken cancellationToken)
    {
        using var hasher = Hasher.New();
        var (name, length) = ("", 0L);
        while (await parts.MoveNext(cancellationToken))
        {
            if (name.Length > 0) throw Refusals.Invalid("The message with the name is the last one.");
            var part = parts.Current;
            length += part.Content.Length;
            if (length > MaxPackBytes) throw Refusals.Invalid($"A pack has at most {MaxPackBytes} bytes.");
            hasher.Update<byte>(part.Content.Span);
            await upload.AppendAsync(part.Content.Memory, cancellationToken);
            name = part.Name;
        }

        ObjectNames.CheckPack(name);
        var hash = new byte[32];
        hasher.Finalize(hash);
        return Convert.ToHexStringLower(hash) == name
            ? (name, length)
            : throw new RpcException(new Status(StatusCode.DataLoss, "The bytes that arrived have another hash: nothing is kept."));
    }

    private static ObjectInfo ToWire(BlobInfo info) => new() { Name = info.Name, Length = info.Length, WrittenMs = info.Written.ToUnixTimeMilliseconds() };
}
