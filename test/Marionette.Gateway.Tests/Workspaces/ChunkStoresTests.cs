using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.Protocol.Workspaces.V1;
using Marionette.TestSupport;
using Marionette.Workspaces;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>The store's folder, and keys that change beside the gateway.</summary>
public sealed class ChunkStoresTests : IDisposable
{
    private readonly string folder = TestFolder.Create();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Store => Path.Combine(folder, "a", "chunks");

    public void Dispose() => TestFolder.Delete(folder);

    [Fact]
    public void Folder_IsMadeForItsOwnerAlone()
    {
        ChunkFolder.Prepare(Store);
        ChunkFolder.Prepare(Store);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Store));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Store));
    }

    [Fact]
    public void Folder_ThatCannotBeWritten_IsSaidInOneLine()
    {
        File.WriteAllText(Path.Combine(folder, "a"), "in the way");
        var refusal = Assert.Throws<IOException>(() => ChunkFolder.Prepare(Store));
        Assert.StartsWith($"{Store} cannot be written: ", refusal.Message);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public async Task Keys_AreBelievedForAMinute()
    {
        var clock = new FakeTimeProvider();
        var (tenant, ring) = Open(clock);
        var first = await tenant.CurrentKeyAsync(Cancel);
        await ring.RotateAsync(Cancel);
        Assert.Equal(first.Number, (await tenant.CurrentKeyAsync(Cancel)).Number);
        clock.Advance(TenantChunks.KeysFor);
        Assert.Equal(first.Number + 1, (await tenant.CurrentKeyAsync(Cancel)).Number);
    }

    [Fact]
    public async Task Snapshots_OfATenantThatWasShredded_AreGone_AMinuteLater()
    {
        var clock = new FakeTimeProvider();
        var (tenant, ring) = Open(clock);
        await tenant.CurrentKeyAsync(Cancel);
        await ring.ShredAsync(Cancel);
        clock.Advance(TenantChunks.KeysFor);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => tenant.FindAsync(SnapshotCatalog.NewId(DateTimeOffset.UnixEpoch), Cancel));
        Assert.Equal(WorkspaceFault.Missing, fault.Fault);
    }

    [Fact]
    public async Task WithoutAStore_RunnersAreTold()
    {
        await using var gateway = await GatewayHost.StartWithoutDatabaseAsync();
        using var client = new WorkspaceClient(gateway, "acme/run_0VblLnwqr5JQkdmN", 3, new byte[32]);
        await WorkspaceClient.FailsAsync(StatusCode.FailedPrecondition, () => client.CallAsync<OpenReply>("Open", new OpenRequest()));
    }

    private (TenantChunks Tenant, KeyRing Ring) Open(TimeProvider clock)
    {
        ChunkFolder.Prepare(Store);
        var blobs = new PrefixedBlobStore(new FolderBlobStore(Store), "acme/");
        KeyRing Ring() => new(blobs, "acme", [new LocalMasterKey(new byte[32])]);
        return (new TenantChunks(blobs, new StoreIndex(blobs), Ring(), _ => Task.CompletedTask, clock), Ring());
    }
}
