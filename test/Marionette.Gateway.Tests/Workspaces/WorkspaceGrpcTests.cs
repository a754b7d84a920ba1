using Google.Protobuf;
using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.Protocol.Workspaces.V1;
using Marionette.TestSupport;
using Marionette.Workspaces;
using static Marionette.Gateway.Tests.Support.WorkspaceClient;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>Snapshots by a runner's calls, and what calls it may not make.</summary>
public sealed class WorkspaceGrpcTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    private const string SomePack = "packs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Lease = "leases/up-0123456789abcdef01234567";

    [Fact]
    public async Task Snapshot_IsRestored_AndTheSecondStoresNothingNew()
    {
        var tree = Tree();
        var first = await SnapshotAsync(Client, tree);
        Assert.True(first.BytesStored > 3_000_000);
        AssertSame(tree, await RestoreAsync(Client, first.Id));
        var second = await SnapshotAsync(Client, tree, "home");
        Assert.Equal((0, 0L), ((int)second.NewChunks, second.BytesStored));
        AssertSame(tree, await RestoreAsync(Client, second.Id));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store, "acme", "leases")));
    }

    [Fact]
    public async Task Snapshot_IsOpenedByTheOperatorsLibrary_WithTheMasterKeyAlone()
    {
        var report = await SnapshotAsync(Client, Tree());
        // As the agent's "workspace" command does, when no server runs.
        using var folder = new FolderBlobStore(Store);
        var blobs = new PrefixedBlobStore(folder, "acme/");
        var keys = await new KeyRing(blobs, "acme", [new LocalMasterKey(new byte[32])]).OpenAsync(Cancel);
        await new StoreIndex(blobs).RebuildAsync(Cancel);
        var store = new Marionette.Workspaces.WorkspaceStore(blobs, keys, TimeProvider.System);
        var record = await store.Snapshots.GetAsync(report.Id, Cancel);
        Assert.Equal(($"session {Session} workspace", report.Files, report.Bytes), (record.Label, record.Files, record.Bytes));
        var target = Path.Combine(Folder, "recovered");
        await store.RestoreAsync(report.Id, target, new RestoreOptions(), Cancel);
        AssertSame(Tree(), target);
        Assert.Empty((await store.CheckAsync(readData: true, Cancel)).Defects);
    }

    [Fact]
    public async Task Record_OfAContentThatIsNotStored_IsNotMade()
    {
        await SnapshotAsync(Client, Tree());
        var request = new RecordSnapshotRequest { Root = ByteString.CopyFrom(new byte[32]), Part = "workspace" };
        await FailsAsync(StatusCode.NotFound, () => Client.CallAsync<RecordSnapshotReply>("RecordSnapshot", request));
        Assert.Single(Directory.EnumerateFiles(Path.Combine(Store, "acme", "snapshots")));
    }

    [Theory]
    [InlineData("root")]
    [InlineData("part")]
    [InlineData("parent")]
    [InlineData("number")]
    public async Task Record_ThatSaysSomethingImpossible_IsInvalid(string wrong)
    {
        var request = new RecordSnapshotRequest { Root = ByteString.CopyFrom(new byte[32]), Part = "home" };
        switch (wrong)
        {
            case "root": request.Root = ByteString.CopyFrom(new byte[31]); break;
            case "part": request.Part = "elsewhere"; break;
            case "parent": request.Parent = "snap_1"; break;
            case "number": request.Bytes = -1; break;
        }

        await FailsAsync(StatusCode.InvalidArgument, () => Client.CallAsync<RecordSnapshotReply>("RecordSnapshot", request));
    }

    [Fact]
    public async Task Record_OfAnOlderKey_StaysReadable_WhenTheKeysWereRotatedMeanwhile()
    {
        var tree = Tree();
        var report = await SnapshotAsync(Client, tree);
        using (var folder = new FolderBlobStore(Store))
            await new KeyRing(new PrefixedBlobStore(folder, "acme/"), "acme", [new LocalMasterKey(new byte[32])]).RotateAsync(Cancel);
        // Another gateway has read the new keys; the runner still has the old one.
        await using var second = await GatewayOfTheSameStoreAsync();
        using var client = new WorkspaceClient(second, Runner, 3, Secret);
        var key = (await client.CallAsync<OpenReply>("Open", new OpenRequest())).Key;
        var id = await RecordAsync(client, report);
        var opened = await OpenAsync(client, id);
        Assert.NotEqual(key, opened.Key);
        AssertSame(tree, await RestoreAsync(client, id));
        // And the first one, whose keys are older than what the second one recorded, opens that.
        var newer = await SnapshotAsync(client, tree);
        Assert.True(newer.NewChunks > 0);
        AssertSame(tree, await RestoreAsync(Client, newer.Id));
    }

    [Fact]
    public async Task Snapshots_OfAnotherSession_AreAsGoodAsAbsent()
    {
        var other = AddRunner("acme/run_0VblLnwqr5JQkdmM", "sess_0VblLnwqr5JQkdmM");
        var report = await SnapshotAsync(other, Tree());
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(Client, report.Id));
        await FailsAsync(StatusCode.NotFound, () => ForgetAsync(Client, report.Id));
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(Client, SnapshotCatalog.NewId(DateTimeOffset.UnixEpoch)));
        await FailsAsync(StatusCode.InvalidArgument, () => OpenAsync(Client, "snap_../x"));
        await OpenAsync(other, report.Id);
    }

    [Fact]
    public async Task Snapshot_ThatWasForgotten_IsGone()
    {
        var report = await SnapshotAsync(Client, Tree());
        await ForgetAsync(Client, report.Id);
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(Client, report.Id));
        await FailsAsync(StatusCode.NotFound, () => ForgetAsync(Client, report.Id));
    }

    [Fact]
    public async Task Tenants_ShareNothing()
    {
        var report = await SnapshotAsync(Client, Tree());
        var stranger = AddRunner("other/run_0VblLnwqr5JQkdmN", Session);
        Assert.NotEqual(
            (await Client.CallAsync<OpenReply>("Open", new OpenRequest())).Key, (await stranger.CallAsync<OpenReply>("Open", new OpenRequest())).Key);
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(stranger, report.Id));
        var pack = StoreNames.Packs + Path.GetFileName(Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories).First());
        Assert.Equal(8, (await ReadAsync(Client, pack, 0, 8)).Length);
        await FailsAsync(StatusCode.NotFound, () => ReadAsync(stranger, pack, 0, 8));
        Assert.Null((await stranger.CallAsync<FindObjectReply>("FindObject", new FindObjectRequest { Name = pack })).Info);
        await FailsAsync(StatusCode.NotFound, () => stranger.CallAsync<AddPacksReply>("AddPacks", new AddPacksRequest { Packs = { pack[6..] } }));
        // Even the ids of its chunks tell nothing there.
        var ids = new byte[16];
        report.Root.ToId(ChunkType.Tree).CopyTo(ids);
        var request = new FindChunksRequest { Ids = ByteString.CopyFrom(ids) };
        Assert.Equal(1u, Assert.Single((await Client.CallAsync<FindChunksReply>("FindChunks", request)).Places).Pack);
        Assert.Equal(0u, Assert.Single((await stranger.CallAsync<FindChunksReply>("FindChunks", request)).Places).Pack);
    }

    [Fact]
    public async Task Objects_BeyondItsReach_AreDenied()
    {
        await SnapshotAsync(Client, Tree());
        foreach (var name in new[] { "keys/00000001", "snapshots/snap_0", "leases/gc-1", "index/0", Lease, "other", "packs2/x", "packs" })
            await FailsAsync(StatusCode.PermissionDenied, () => ReadAsync(Client, name, 0, 1));
        foreach (var name in new[] { "keys/00000001", "index/0", "leases" })
            await FailsAsync(StatusCode.PermissionDenied, () => FindAsync(name));
        foreach (var name in new[] { SomePack, "keys/00000002", "snapshots/snap_0", "leases/gc-0000000001", Lease + ".fenced", Lease + "0", Lease + "/x", "condemned/0" })
        {
            await FailsAsync(StatusCode.PermissionDenied, () => PutAsync(name, 8));
            await FailsAsync(StatusCode.PermissionDenied, () => DeleteAsync(name));
        }

        foreach (var prefix in new[] { "packs/", "keys/", "snapshots/", "leases/", "index/" })
            await FailsAsync(StatusCode.PermissionDenied, () => ListAsync(prefix));
        foreach (var name in new[] { "", "packs/../keys/00000001", "packs//x", "/etc/passwd", "packs/.tmp", "packs/x", "packs/A", new string('a', 1000), "condemned/a\0" })
            await FailsAsync(StatusCode.InvalidArgument, () => ReadAsync(Client, name, 0, 1));
        foreach (var prefix in new[] { "", "condemned", "../", "/" })
            await FailsAsync(StatusCode.InvalidArgument, () => ListAsync(prefix));
        Assert.Single(Directory.EnumerateFiles(Path.Combine(Store, "acme", "keys")));
    }

    [Fact]
    public async Task WhatItMayDo_ItCan()
    {
        using var folder = new FolderBlobStore(Store);
        var blobs = new PrefixedBlobStore(folder, "acme/");
        await CondemnedPacks.PutAsync(blobs, [SomePack[6..]], DateTimeOffset.UnixEpoch, Cancel);
        Assert.Equal([SomePack[6..]], await CondemnedPacks.ReadNamesAsync(new RemoteBlobs(Client), Cancel));
        Assert.True((await PutAsync(Lease, 8)).Put);
        Assert.False((await PutAsync(Lease, 64)).Put);
        Assert.True((await PutAsync(Lease, 8, replace: true)).Put);
        Assert.Equal(8, (await FindAsync(Lease)).Info.Length);
        Assert.Null((await FindAsync(Lease + ".fenced")).Info);
        Assert.Null((await FindAsync("snapshots/snap_0")).Info);
        await FailsAsync(StatusCode.InvalidArgument, () => PutAsync(Lease, 65));
        // Its end is by the gateway's clock, whatever the runner said.
        var content = await blobs.ReadWholeAsync(Lease, 64, Cancel);
        Assert.False(UploadLease.IsOver(content, TimeProvider.System.GetUtcNow().AddMinutes(5)));
        Assert.True(UploadLease.IsOver(content, TimeProvider.System.GetUtcNow().AddMinutes(15)));
        await DeleteAsync(Lease);
        Assert.Null((await FindAsync(Lease)).Info);
        await DeleteAsync(Lease);
    }

    [Fact]
    public async Task Reads_EndAtTheObjectsEnd_AndComeInParts()
    {
        var content = new byte[3_500_000];
        new Random(2).NextBytes(content);
        var name = HashOf(content);
        await Client.PutPackAsync(content, name, 700_000);
        var (whole, middle) = (await ReadAsync(Client, StoreNames.Packs + name, 0, 64 << 20), await ReadAsync(Client, StoreNames.Packs + name, 1_000_000, 2_000_001));
        Assert.True(whole.AsSpan().SequenceEqual(content));
        Assert.True(middle.AsSpan().SequenceEqual(content.AsSpan(1_000_000, 2_000_001)));
        Assert.Empty(await ReadAsync(Client, StoreNames.Packs + name, content.Length, 100));
        await FailsAsync(StatusCode.NotFound, () => ReadAsync(Client, SomePack, 0, 1));
        await FailsAsync(StatusCode.InvalidArgument, () => ReadAsync(Client, StoreNames.Packs + name, -1, 1));
        await FailsAsync(StatusCode.InvalidArgument, () => ReadAsync(Client, StoreNames.Packs + name, 0, (64 << 20) + 1));
    }

    [Fact]
    public async Task Pack_OfAnotherHash_LeavesNothing()
    {
        var content = new byte[100_000];
        await FailsAsync(StatusCode.DataLoss, () => Client.PutPackAsync(content, SomePack[6..]));
        await FailsAsync(StatusCode.InvalidArgument, () => Client.PutPackAsync(content, ""));
        await FailsAsync(StatusCode.InvalidArgument, () => Client.PutPackAsync(content, "../../../x"));
        AssertEmpty();
        await Client.PutPackAsync(content, HashOf(content));
        await Client.PutPackAsync(content, HashOf(content));
        // It is no pack, although it has the right name: none of its chunks becomes known.
        await FailsAsync(StatusCode.DataLoss, () => Client.CallAsync<AddPacksReply>("AddPacks", new AddPacksRequest { Packs = { HashOf(content) } }));
    }

    [Fact]
    public async Task Pack_ThatIsTooLarge_OrBreaksOff_LeavesNothing()
    {
        await FailsAsync(StatusCode.InvalidArgument, () => Client.PutPackAsync(new byte[WorkspaceGrpc.MaxPackBytes + 1], SomePack[6..]));
        await DraftsAsync(any: false);
        var call = Client.PutPack();
        await call.RequestStream.WriteAsync(new PackPart { Content = ByteString.CopyFrom(new byte[100_000]) }, Cancel);
        // It breaks off once the gateway has begun to write, and not before.
        await DraftsAsync(any: true);
        call.Dispose();
        await DraftsAsync(any: false);
        AssertEmpty();
    }

    /// <summary>Waits until the store has drafts, or none.</summary>
    private async Task DraftsAsync(bool any)
    {
        for (var i = 0; i < 1200 && Directory.EnumerateFiles(Path.Combine(Store, ".tmp")).Any() != any; i++) await Task.Delay(50, Cancel);
    }

    [Fact]
    public async Task Ids_ThatAreNone_AreInvalid()
    {
        await FailsAsync(StatusCode.InvalidArgument, () => Client.CallAsync<FindChunksReply>("FindChunks", new FindChunksRequest { Ids = ByteString.CopyFrom(new byte[17]) }));
        await FailsAsync(StatusCode.InvalidArgument, () => Client.CallAsync<FindChunksReply>("FindChunks", new FindChunksRequest { Ids = ByteString.CopyFrom(new byte[16 * 10_001]) }));
        Assert.Empty((await Client.CallAsync<FindChunksReply>("FindChunks", new FindChunksRequest())).Places);
        Assert.Equal(10_000, (await Client.CallAsync<FindChunksReply>("FindChunks", new FindChunksRequest { Ids = ByteString.CopyFrom(new byte[16 * 10_000]) })).Places.Count);
    }

    [Theory]
    [InlineData("secret", StatusCode.Unauthenticated)]
    [InlineData("short secret", StatusCode.Unauthenticated)]
    [InlineData("unknown runner", StatusCode.Unauthenticated)]
    [InlineData("no runner", StatusCode.Unauthenticated)]
    [InlineData("path", StatusCode.Unauthenticated)]
    [InlineData("epoch", StatusCode.FailedPrecondition)]
    public async Task Caller_WithoutProof_IsRefused(string wrong, StatusCode status)
    {
        var client = wrong switch
        {
            "secret" => Dial(Runner, 3, new byte[32]),
            "short secret" => Dial(Runner, 3, new byte[8]),
            "unknown runner" => Dial("acme/run_0VblLnwqr5JQkdmX", 3, Secret),
            "no runner" => Dial("acme", 3, Secret),
            "path" => Dial("../run_0VblLnwqr5JQkdmX", 3, Secret),
            _ => Dial(Runner, 2, Secret),
        };
        await FailsAsync(status, () => client.CallAsync<OpenReply>("Open", new OpenRequest()));
        await FailsAsync(status, () => ReadAsync(client, SomePack, 0, 1));
        await FailsAsync(status, () => client.PutPackAsync(new byte[1], HashOf(new byte[1])));
        Assert.False(Directory.Exists(Path.Combine(Store, "acme")));
    }

    [Fact]
    public async Task Caller_IsAskedForOnce_NotForEachCall()
    {
        for (var i = 0; i < 20; i++) await FindAsync(SomePack);
        Assert.Single(Gateway.Cluster.Verified);
        // A refusal is not kept: the secret may be bound a moment later.
        var client = Dial("acme/run_0VblLnwqr5JQkdmX", 3, Secret);
        await FailsAsync(StatusCode.Unauthenticated, () => client.CallAsync<OpenReply>("Open", new OpenRequest()));
        Gateway.Cluster.Runners["acme/run_0VblLnwqr5JQkdmX"] = (3, Secret, Session);
        await client.CallAsync<OpenReply>("Open", new OpenRequest());
    }

    [Fact]
    public async Task Caller_WhoseSiloMoves_IsWaitedFor()
    {
        Gateway.Cluster.NextFault = new SiloUnavailableException();
        await FindAsync(SomePack);
        Assert.Equal(2, Gateway.Cluster.Verified.Count);
    }

    private static async Task<byte[]> ReadAsync(WorkspaceClient client, string name, long offset, int length)
    {
        var content = new MemoryStream();
        await foreach (var part in client.StreamAsync<ObjectPart>("ReadObject", new ReadObjectRequest { Name = name, Offset = offset, Length = length }))
        {
            Assert.InRange(part.Content.Length, 1, 1 << 20);
            part.Content.WriteTo(content);
        }

        return content.ToArray();
    }

    private static string HashOf(byte[] content)
    {
        var hash = new byte[32];
        Keyed.Plain(content, hash);
        return Convert.ToHexStringLower(hash);
    }

    private Task<FindObjectReply> FindAsync(string name) => Client.CallAsync<FindObjectReply>("FindObject", new FindObjectRequest { Name = name });

    private Task<PutObjectReply> PutAsync(string name, int length, bool replace = false) =>
        Client.CallAsync<PutObjectReply>("PutObject", new PutObjectRequest { Name = name, Content = ByteString.CopyFrom(new byte[length]), Replace = replace });

    private Task<DeleteObjectReply> DeleteAsync(string name) => Client.CallAsync<DeleteObjectReply>("DeleteObject", new DeleteObjectRequest { Name = name });

    private async Task<List<ObjectInfo>> ListAsync(string prefix)
    {
        var infos = new List<ObjectInfo>();
        await foreach (var info in Client.StreamAsync<ObjectInfo>("ListObjects", new ListObjectsRequest { Prefix = prefix })) infos.Add(info);
        return infos;
    }

    private async Task<GatewayHost> GatewayOfTheSameStoreAsync()
    {
        var second = await GatewayHost.StartBesideAsync(Gateway, Store);
        second.Cluster.Runners[Runner] = (3, Secret, Session);
        return second;
    }

    private void AssertEmpty() => Assert.Empty(Directory.EnumerateFiles(Store, "*", SearchOption.AllDirectories));
}
