using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.Workspaces.V1;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <content>Mirrors of git repositories.</content>
internal sealed partial class WorkspaceGrpc
{
    private const int MostMirrorText = 2000;

    /// <inheritdoc/>
    public override Task<OpenMirrorReply> OpenMirror(OpenMirrorRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            var key = await KeyOfAsync(caller, request.Name, token);
            if (await mirrors.OpenAsync(caller.Tenant, key, token) is not { } found) return new OpenMirrorReply();
            return new OpenMirrorReply
            {
                Snapshot = found.Record.Id, Root = ByteString.CopyFrom(found.Record.Root.ToArray()), Key = ByteString.CopyFrom(found.Key.ConvergenceBytes.Span),
            };
        });

    /// <inheritdoc/>
    public override Task<OfferMirrorReply> OfferMirror(OfferMirrorRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            if (request.Bytes < 0 || request.Fetched < 0) throw Refusals.Invalid("A number is below zero.");
            var key = await KeyOfAsync(caller, request.Name, token);
            return new OfferMirrorReply { Wanted = await mirrors.OfferAsync(caller.Tenant, key, request.Bytes, request.Fetched, token) };
        });

    /// <inheritdoc/>
    public override Task<RecordMirrorReply> RecordMirror(RecordMirrorRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            if (request.Root.Length != ChunkRef.Size) throw Refusals.Invalid($"A root has {ChunkRef.Size} bytes.");
            if (request.Files < 0 || request.Bytes < 0) throw Refusals.Invalid("A number is below zero.");
            var key = await KeyOfAsync(caller, request.Name, token);
            var now = clock.GetUtcNow();
            var record = new SnapshotRecord
            {
                Id = SnapshotCatalog.NewId(now), Root = new ChunkRef(request.Root.Span), Created = now, Label = SnapshotRow.LabelOfMirror,
                Files = request.Files, Directories = 1, Bytes = request.Bytes,
            };
            return await mirrors.RecordAsync(caller.Tenant, key, record, token)
                ? new RecordMirrorReply { Snapshot = record.Id }
                : throw new RpcException(new Status(StatusCode.FailedPrecondition, "No mirror is waited for."));
        });

    /// <inheritdoc/>
    public override Task<DropMirrorReply> DropMirror(DropMirrorRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            await mirrors.DropAsync(caller.Tenant, await KeyOfAsync(caller, request.Name, token), request.Snapshot, token);
            return new DropMirrorReply();
        });

    private async Task<MirrorKey> KeyOfAsync(RunnerCaller caller, MirrorName? name, CancellationToken cancellationToken)
    {
        if (name is null || !Uri.TryCreate(name.Url, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0)
            throw Refusals.Invalid("A mirror is of an https or http address without a credential in it.");
        foreach (var text in new[] { name.Url, name.Filter, name.User, name.Secret })
            if (text.Length > MostMirrorText || text.Any(char.IsControl)) throw Refusals.Invalid($"A text has at most {MostMirrorText} characters, and none of control.");
        return await mirrors.KeyAsync(caller.Tenant, url, name.Depth, name.Filter, name.User, name.Secret, cancellationToken);
    }
}
