using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.TestSupport;
using Marionette.Workspaces;
using static Marionette.Gateway.Tests.Support.WorkspaceClient;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>Collections beside runners, over the index on PostgreSQL.</summary>
public sealed class CollectionTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    [Fact]
    public async Task WhatNoSnapshotNeeds_Goes_FromTheStoreAndTheIndex_AndTheRestStays()
    {
        var tree = Tree();
        var kept = await SnapshotAsync(Client, tree);
        File.WriteAllText(Path.Combine(tree, "a"), "another content, which only the second one has");
        File.WriteAllBytes(Path.Combine(tree, "more"), System.Security.Cryptography.RandomNumberGenerator.GetBytes(500_000));
        var gone = await SnapshotAsync(Client, tree);
        await ForgetAsync(Client, gone.Id);
        var packs = await PacksAsync();
        using var folder = new FolderBlobStore(Store);
        var store = await OpenAsync(folder);
        Assert.True((await CollectAsync(store)).Condemned > 0);
        Assert.True((await CollectAsync(store)).Deleted > 0);
        Assert.InRange(await PacksAsync(), 1, packs - 1);
        Assert.Equal(Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories).Count(), await PacksAsync());
        Directory.Delete(tree, recursive: true);
        AssertSame(Tree(), await RestoreAsync(Client, kept.Id));
    }

    [Fact]
    public async Task WhatIsCondemned_IsStoredAnew()
    {
        var tree = Tree();
        var first = await SnapshotAsync(Client, tree);
        await ForgetAsync(Client, first.Id);
        using var folder = new FolderBlobStore(Store);
        var store = await OpenAsync(folder);
        Assert.True((await CollectAsync(store)).Condemned > 0);
        var second = await SnapshotAsync(Client, tree);
        Assert.True(second.BytesStored > 3_000_000);
        await CollectAsync(store);
        AssertSame(tree, await RestoreAsync(Client, second.Id));
    }

    [Fact]
    public async Task Snapshot_ThatACollectionWentPast_IsTakenBack()
    {
        var tree = Tree();
        using var folder = new FolderBlobStore(Store);
        var blobs = new PrefixedBlobStore(folder, "acme/");
        var open = await Client.CallAsync<Marionette.Protocol.Workspaces.V1.OpenReply>("Open", new Marionette.Protocol.Workspaces.V1.OpenRequest());
        var uploader = new Uploader(new RemoteBlobs(Client), new RemoteIndex(Client), new ConvergenceKey(open.Key.Span), TimeProvider.System);
        var id = "";
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => uploader.SnapshotAsync(tree, new SnapshotOptions(), RecordAndFenceAsync, one => ForgetAsync(Client, one), Cancel));
        Assert.Equal(WorkspaceFault.Busy, fault.Fault);
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(Client, id));

        async Task<string> RecordAndFenceAsync(SnapshotReport report, CancellationToken cancellationToken)
        {
            var lease = Path.GetFileName(Assert.Single(Directory.EnumerateFiles(Path.Combine(Store, "acme", "leases"))));
            await blobs.PutAsync($"leases/{lease}.fenced", new byte[1], BlobPut.IfAbsent, cancellationToken);
            return id = await RecordAsync(Client, report);
        }
    }

    private static Task<CollectReport> CollectAsync(WorkspaceStore store) => store.CollectAsync(new CollectOptions { Grace = TimeSpan.Zero }, Cancel);

    private async Task<WorkspaceStore> OpenAsync(FolderBlobStore folder)
    {
        var blobs = new PrefixedBlobStore(folder, "acme/");
        var keys = await new KeyRing(blobs, "acme", [new LocalMasterKey(new byte[32])]).OpenAsync(Cancel);
        return new WorkspaceStore(blobs, keys, TimeProvider.System, new PostgresChunkIndex(Gateway.Database, "acme"));
    }

    private async Task<int> PacksAsync() => (await new PostgresChunkIndex(Gateway.Database, "acme").ListPacksAsync(Cancel)).Count;
}
