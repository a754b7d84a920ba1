using System.Security.Cryptography;
using Grpc.Core;
using Marionette.Protocol.Workspaces.V1;
using Marionette.Workspaces;
using Marionette.Workspaces.S3;

namespace Marionette.Gateway.Workspaces;

/// <content>Packs that runners send and fetch straight to and from the store.</content>
internal sealed partial class WorkspaceGrpc
{
    /// <summary>Long enough for a pack on a slow line, short enough that what leaks is soon worth nothing.</summary>
    private static readonly TimeSpan PutWithin = TimeSpan.FromMinutes(10), ReadWithin = TimeSpan.FromMinutes(15);

    /// <inheritdoc/>
    public override Task<SignPackReply> SignPack(SignPackRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, chunks, token) =>
        {
            ObjectNames.CheckPack(request.Pack);
            if (request.Length is < 1 or > MaxPackBytes) throw Refusals.Invalid($"A pack has 1 to {MaxPackBytes} bytes.");
            if (request.Sha256.Length != SHA256.HashSizeInBytes) throw Refusals.Invalid($"A SHA-256 has {SHA256.HashSizeInBytes} bytes.");
            if (stores.Direct is not { } bucket) return new SignPackReply();
            await quota.CheckAsync(caller.Tenant, token);
            var name = StoreNames.Pack(request.Pack);
            // Nothing that is there is written again, whatever the server makes of the condition in the signed request.
            if (await chunks.Blobs.FindAsync(name, token) is { } there)
                return there.Length == request.Length ? new SignPackReply { Stored = true } : throw OtherLength(request.Pack, there.Length, request.Length);
            quota.Take(caller.Tenant, request.Pack, request.Length);
            return new SignPackReply
            {
                Call = ToWire(await bucket.SignPutAsync(ChunkStores.PartOf(caller.Tenant) + name, request.Length, request.Sha256.Memory, PutWithin, token)),
            };
        });

    /// <inheritdoc/>
    public override Task<SignReadReply> SignRead(SignReadRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            ObjectNames.CheckPack(request.Pack);
            return stores.Direct is { } bucket
                ? new SignReadReply { Call = ToWire(await bucket.SignGetAsync(ChunkStores.PartOf(caller.Tenant) + StoreNames.Pack(request.Pack), ReadWithin, token)) }
                : new SignReadReply();
        });

    private static Dictionary<string, long>? LengthsOf(AddPacksRequest request)
    {
        if (request.Lengths.Count == 0) return null;
        if (request.Lengths.Count != request.Packs.Count) throw Refusals.Invalid("There is a length for each pack, or none at all.");
        var lengths = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (pack, length) in request.Packs.Zip(request.Lengths)) lengths[pack] = length;
        return lengths;
    }

    /// <summary>What came straight to the store was counted by nobody here.</summary>
    private static PackContents CheckLength(PackContents contents, Dictionary<string, long>? lengths)
    {
        if (contents.Length > MaxPackBytes) throw Refusals.Invalid($"A pack has at most {MaxPackBytes} bytes.");
        return lengths is null || lengths[contents.Name] == contents.Length ? contents : throw OtherLength(contents.Name, contents.Length, lengths[contents.Name]);
    }

    private static RpcException OtherLength(string pack, long stored, long told) =>
        new(new Status(StatusCode.DataLoss, $"Pack {pack} has {stored} bytes in the store, not {told}."));

    private static SignedCall ToWire(SignedRequest request)
    {
        var call = new SignedCall { Url = request.Url.AbsoluteUri, Seconds = (int)request.Lifetime.TotalSeconds };
        foreach (var (name, value) in request.Headers) call.Headers.Add(new SignedHeader { Name = name, Value = value });
        return call;
    }
}
