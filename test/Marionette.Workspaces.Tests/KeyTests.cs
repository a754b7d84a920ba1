using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class KeyTests
{
    private readonly MemoryBlobStore _blobs = new(TimeProvider.System);
    private readonly LocalMasterKey _first = new(Bytes.Random(1, 32)), _second = new(Bytes.Random(2, 32));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private KeyRing Ring(params IMasterKey[] masters) => new(_blobs, "acme", masters);

    [Fact]
    public async Task Open_WhatWasMade_IsTheSame()
    {
        var made = await Ring(_first).OpenOrCreateAsync(Token);
        var opened = await Ring(_first).OpenAsync(Token);
        Assert.Equal(made.Current.ConvergenceBytes.ToArray(), opened.Current.ConvergenceBytes.ToArray());
        Assert.Equal(made.Current.ConvergenceBytes.ToArray(), (await Ring(_first).OpenOrCreateAsync(Token)).Current.ConvergenceBytes.ToArray());
    }

    [Fact]
    public async Task Open_WithAnotherMaster_IsWrongKey()
    {
        await Ring(_first).OpenOrCreateAsync(Token);
        Assert.Equal(WorkspaceFault.WrongKey, (await Assert.ThrowsAsync<WorkspaceException>(() => Ring(_second).OpenAsync(Token))).Fault);
    }

    [Fact]
    public async Task Open_AnotherTenantsEnvelope_IsWrongKey()
    {
        await Ring(_first).OpenOrCreateAsync(Token);
        var other = new KeyRing(_blobs, "other", [_first]);
        Assert.Equal(WorkspaceFault.WrongKey, (await Assert.ThrowsAsync<WorkspaceException>(() => other.OpenAsync(Token))).Fault);
    }

    [Fact]
    public async Task Open_ABitFlippedAnywhere_IsFound()
    {
        await Ring(_first).OpenOrCreateAsync(Token);
        var (name, value) = Assert.Single(_blobs.Objects);
        for (var i = 0; i < value.Content.Length; i++)
        {
            var changed = value.Content.ToArray();
            changed[i] ^= 4;
            _blobs.Objects[name] = (changed, value.Written);
            await Assert.ThrowsAsync<WorkspaceException>(() => Ring(_first).OpenAsync(Token));
        }
    }

    [Fact]
    public async Task Rewrap_ToANewMaster_NeedsTheOldNoMore()
    {
        var keys = await Ring(_first).OpenOrCreateAsync(Token);
        await Ring(_second, _first).RewrapAsync(Token);
        Assert.Equal(keys.Current.ConvergenceBytes.ToArray(), (await Ring(_second).OpenAsync(Token)).Current.ConvergenceBytes.ToArray());
        await Assert.ThrowsAsync<WorkspaceException>(() => Ring(_first).OpenAsync(Token));
    }

    [Fact]
    public async Task Rotate_OldSnapshots_StayReadable()
    {
        using var tree = new TempFolder();
        tree.Write("file", Bytes.Random(1, 10_000));
        var old = new WorkspaceStore(_blobs, await Ring(_first).OpenOrCreateAsync(Token), TimeProvider.System);
        var before = await old.SnapshotAsync(tree.Path, new SnapshotOptions(), Token);
        var keys = await Ring(_first).RotateAsync(Token);
        Assert.Equal(2, keys.Current.Number);
        var store = new WorkspaceStore(_blobs, keys, TimeProvider.System);
        var after = await store.SnapshotAsync(tree.Path, new SnapshotOptions(), Token);
        Assert.NotEqual(before.Root, after.Root);
        foreach (var id in new[] { before.Id, after.Id })
        {
            using var reader = await store.OpenAsync(id, Token);
            using var copy = new MemoryStream();
            await reader.CopyFileAsync("file", copy, Token);
            Assert.Equal(Bytes.Random(1, 10_000), copy.ToArray());
        }

        using var target = new TempFolder();
        await store.RestoreAsync(before.Id, target["old"], new RestoreOptions(), Token);
    }

    [Fact]
    public async Task Shred_ATenant_LeavesNothingThatOpens()
    {
        await Ring(_first).OpenOrCreateAsync(Token);
        await Ring(_first).ShredAsync(Token);
        Assert.Equal(WorkspaceFault.Missing, (await Assert.ThrowsAsync<WorkspaceException>(() => Ring(_first).OpenAsync(Token))).Fault);
    }

    [Fact]
    public async Task Create_ByTwoAtOnce_IsOneKey()
    {
        _blobs.Before = async (_, _) => await Task.Yield();
        var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Ring(_first).OpenOrCreateAsync(Token), Token)));
        Assert.Single(all.Select(keys => Convert.ToHexString(keys.Current.ConvergenceBytes.Span)).Distinct());
    }

    [Theory]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n")]
    [InlineData("  AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]
    public void Parse_HexOrBase64_IsTheKey(string text) =>
        Assert.Equal(new LocalMasterKey(Vectors.Key).Id, LocalMasterKey.Parse(System.Text.Encoding.ASCII.GetBytes(text)).Id);

    [Theory]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")]
    public void Parse_AnythingElse_IsRefused(string text) =>
        Assert.Equal(WorkspaceFault.Invalid, Assert.Throws<WorkspaceException>(() => LocalMasterKey.Parse(System.Text.Encoding.ASCII.GetBytes(text))).Fault);

    [Fact]
    public async Task Record_UnderAnotherName_DoesNotOpen()
    {
        using var world = new World();
        world.Tree.Write("a", "1");
        var first = await world.SnapshotAsync();
        var second = await world.SnapshotAsync();
        world.Blobs.Objects["snapshots/" + second.Id] = world.Blobs.Objects["snapshots/" + first.Id];
        Assert.Equal(WorkspaceFault.Corrupt, (await Assert.ThrowsAsync<WorkspaceException>(() => world.Store.Snapshots.GetAsync(second.Id, Token))).Fault);
    }
}
