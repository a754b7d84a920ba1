using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.Workspaces.V1;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// The runners' way to their tenant's part of the chunk store, past the grains. This part has keys, snapshots and the index; others have objects and mirrors. It
/// holds nothing that another gateway could not hold a moment later.
/// </summary>
internal sealed partial class WorkspaceGrpc(ChunkStores stores, StoreQuota quota, GitMirrors mirrors, RunnerProofs proofs, TimeProvider clock, ILogger<WorkspaceGrpc> logger)
    : Marionette.Protocol.Workspaces.V1.WorkspaceStore.WorkspaceStoreBase
{
    private const int MostIds = 10_000, MostPacks = 10_000, PacksAtATime = 8;

    /// <summary>A record may be taken back for so long: later it may be what its session begins with.</summary>
    private static readonly TimeSpan ForgetWithin = TimeSpan.FromHours(1);

    private static readonly string[] Parts = [SnapshotRow.Workspace, SnapshotRow.Home];

    /// <inheritdoc/>
    public override Task<OpenReply> Open(OpenRequest request, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
            new OpenReply { Key = ByteString.CopyFrom((await chunks.CurrentKeyAsync(token)).ConvergenceBytes.Span) });

    /// <inheritdoc/>
    public override Task<OpenSnapshotReply> OpenSnapshot(OpenSnapshotRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, chunks, token) =>
        {
            var (record, key) = await FindAsync(caller, chunks, request.Snapshot, token);
            return new OpenSnapshotReply { Root = ByteString.CopyFrom(record.Root.ToArray()), Key = ByteString.CopyFrom(key.ConvergenceBytes.Span) };
        });

    /// <inheritdoc/>
    public override Task<RecordSnapshotReply> RecordSnapshot(RecordSnapshotRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, _, token) =>
        {
            Check(request);
            var now = clock.GetUtcNow();
            var record = new SnapshotRecord
            {
                Id = SnapshotCatalog.NewId(now), Root = new ChunkRef(request.Root.Span), Created = now,
                Parent = request.Parent, Label = caller.LabelOf(request.Part),
                Files = request.Files, Directories = request.Directories, Links = request.Links, Bytes = request.Bytes,
            };
            await stores.SnapshotsOf(caller.Tenant).RecordAsync(record, token);
            return new RecordSnapshotReply { Snapshot = record.Id };
        });

    /// <inheritdoc/>
    public override Task<ForgetSnapshotReply> ForgetSnapshot(ForgetSnapshotRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, chunks, token) =>
        {
            var (record, _) = await FindAsync(caller, chunks, request.Snapshot, token);
            if (clock.GetUtcNow() - record.Created > ForgetWithin)
                throw new RpcException(new Status(StatusCode.PermissionDenied, $"Snapshot {record.Id} is not one that was just made."));
            await stores.SnapshotsOf(caller.Tenant).ForgetAsync(record.Id, token);
            return new ForgetSnapshotReply();
        });

    /// <inheritdoc/>
    public override Task<FindChunksReply> FindChunks(FindChunksRequest request, ServerCallContext context) =>
        CallAsync(context, async (_, chunks, token) =>
        {
            if (request.Ids.Length % ChunkId.Size != 0 || request.Ids.Length > MostIds * ChunkId.Size)
                throw Refusals.Invalid($"Ids have {ChunkId.Size} bytes each, and there are at most {MostIds}.");
            var ids = new ChunkId[request.Ids.Length / ChunkId.Size];
            for (var i = 0; i < ids.Length; i++) ids[i] = new ChunkId(request.Ids.Span.Slice(i * ChunkId.Size, ChunkId.Size));
            var found = new ChunkLocation?[ids.Length];
            await chunks.Index.FindAsync(ids, found, token);
            return ToWire(found);
        });

    /// <inheritdoc/>
    public override Task<AddPacksReply> AddPacks(AddPacksRequest request, ServerCallContext context) =>
        CallAsync(context, async (caller, chunks, token) =>
        {
            if (request.Packs.Count > MostPacks) throw Refusals.Invalid($"There are at most {MostPacks} packs.");
            foreach (var pack in request.Packs) ObjectNames.CheckPack(pack);
            var lengths = LengthsOf(request);
            foreach (var some in request.Packs.Distinct().Chunk(PacksAtATime))
            {
                var contents = new List<PackContents>(some.Length);
                foreach (var pack in some) contents.Add(CheckLength(await PackReader.ReadListAsync(chunks.Blobs, pack, token), lengths));
                await chunks.Index.AddAsync(contents, token);
            }

            quota.Settle(caller.Tenant, request.Packs);
            return new AddPacksReply();
        });

    /// <summary>A record of the caller's session: another one's is as good as absent.</summary>
    private static async Task<(SnapshotRecord Record, KeyGeneration Key)> FindAsync(
        RunnerCaller caller, TenantChunks chunks, string snapshot, CancellationToken cancellationToken)
    {
        if (!SnapshotCatalog.IsId(snapshot)) throw Refusals.Invalid("A snapshot's id is snap_ and 32 hexadecimal digits.");
        var found = await chunks.FindAsync(snapshot, cancellationToken);
        return caller.Owns(found.Record.Label) ? found : throw Refusals.NotFound($"There is no snapshot {snapshot}.");
    }

    private static void Check(RecordSnapshotRequest request)
    {
        if (request.Root.Length != ChunkRef.Size) throw Refusals.Invalid($"A root has {ChunkRef.Size} bytes.");
        if (!Parts.Contains(request.Part)) throw Refusals.Invalid($"A part is one of {string.Join(", ", Parts)}.");
        if (request.Parent.Length > 0 && !SnapshotCatalog.IsId(request.Parent)) throw Refusals.Invalid("A parent is a snapshot's id.");
        if (request.Files < 0 || request.Directories < 0 || request.Links < 0 || request.Bytes < 0) throw Refusals.Invalid("A number is below zero.");
    }

    private static FindChunksReply ToWire(ChunkLocation?[] found)
    {
        var reply = new FindChunksReply();
        var numbers = new Dictionary<string, uint>(StringComparer.Ordinal);
        foreach (var one in found)
        {
            if (one is not { } place)
            {
                reply.Places.Add(new ChunkPlace());
                continue;
            }

            if (!numbers.TryGetValue(place.Pack, out var number))
            {
                reply.Packs.Add(place.Pack);
                numbers[place.Pack] = number = (uint)reply.Packs.Count;
            }

            reply.Places.Add(new ChunkPlace
            {
                Pack = number, Offset = place.Offset, StoredLength = place.StoredLength, PlainLength = place.PlainLength,
                Type = (uint)place.Type, Method = (uint)place.Method,
            });
        }

        return reply;
    }

    private async Task<T> CallAsync<T>(ServerCallContext context, Func<RunnerCaller, TenantChunks, CancellationToken, Task<T>> call)
    {
        var runner = "";
        try
        {
            if (!stores.IsKept) throw Refusals.NoStore();
            var caller = await proofs.CheckAsync(context);
            runner = caller.Runner;
            return await call(caller, stores.Of(caller.Tenant), context.CancellationToken);
        }
        catch (Exception e) when (!context.CancellationToken.IsCancellationRequested)
        {
            var refusal = Refusals.Of(e);
            if (Refusals.IsOurs(refusal))
                Log.Failed(logger, e, context.Method, runner, refusal.StatusCode);
            else if (refusal.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied)
                Log.Refused(logger, context.Method, runner, refusal.Status.Detail);
            throw refusal;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6131, LogLevel.Warning, "{Method} of runner {Runner} failed with {Status}", EventName = "gateway.workspace.failed")]
        public static partial void Failed(ILogger logger, Exception exception, string method, string runner, StatusCode status);

        [LoggerMessage(6132, LogLevel.Warning, "{Method} of runner {Runner} was refused: {Reason}", EventName = "gateway.workspace.refused")]
        public static partial void Refused(ILogger logger, string method, string runner, string reason);
    }
}
