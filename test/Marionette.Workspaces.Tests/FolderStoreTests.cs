using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class FolderStoreTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly FolderBlobStore _store;

    public FolderStoreTests() => _store = new FolderBlobStore(_temp["store"]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _store.Dispose();
        _temp.Dispose();
    }

    [Fact]
    public async Task Put_WhatIsThere_ReplacesOnlyWhenAsked()
    {
        Assert.True(await _store.PutAsync("a/b", "1"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.False(await _store.PutAsync("a/b", "2"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.Equal("1"u8.ToArray(), await _store.ReadWholeAsync("a/b", 10, Token));
        Assert.True(await _store.PutAsync("a/b", "33"u8.ToArray(), BlobPut.Replace, Token));
        Assert.Equal("33"u8.ToArray(), await _store.ReadWholeAsync("a/b", 10, Token));
        Assert.Empty(Directory.GetFiles(_temp["store/.tmp"]));
    }

    [Fact]
    public async Task Put_ByManyAtOnce_OneWins()
    {
        var won = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () => await _store.PutAsync("x/y", new[] { (byte)i }, BlobPut.IfAbsent, Token), Token)));
        Assert.Single(won, true);
    }

    [Fact]
    public async Task List_FannedOutNames_AreWhole()
    {
        var hash = new string('a', 62) + "01";
        await _store.PutAsync("acme/packs/" + hash, new byte[3], BlobPut.IfAbsent, Token);
        await _store.PutAsync("acme/leases/up-1", new byte[3], BlobPut.Fleeting, Token);
        var part = new PrefixedBlobStore(_store, "acme/");
        var names = new List<string>();
        await foreach (var info in part.ListAsync("packs/", Token))
            names.Add($"{info.Name} {info.Length}");
        Assert.Equal([$"packs/{hash} 3"], names);
        Assert.True(File.Exists(_temp[$"store/acme/packs/aa/{hash}"]));
        await part.DeleteAsync("packs/" + hash, Token);
        await part.DeleteAsync("packs/" + hash, Token);
        Assert.Null(await part.FindAsync("packs/" + hash, Token));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a//b")]
    [InlineData("a/.hidden")]
    [InlineData("a/B")]
    [InlineData("")]
    public async Task Put_AnImproperName_IsRefused(string name) =>
        Assert.Equal(WorkspaceFault.Invalid, (await Assert.ThrowsAsync<WorkspaceException>(async () => await _store.PutAsync(name, new byte[1], BlobPut.IfAbsent, Token))).Fault);

    [Fact]
    public async Task Read_WhatIsNotThere_IsMissing() =>
        Assert.Equal(WorkspaceFault.Missing, (await Assert.ThrowsAsync<WorkspaceException>(async () => await _store.ReadAsync("a/b", 0, new byte[1], Token))).Fault);

    [Fact]
    public async Task Upload_NotCommitted_LeavesNothing()
    {
        await using (var upload = await _store.BeginAsync(Token))
            await upload.AppendAsync(new byte[100], Token);
        Assert.Empty(Directory.GetFiles(_temp["store"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Clear_OldParts_AreRemoved()
    {
        await File.WriteAllTextAsync(_temp["store/.tmp/old"], "x", Token);
        File.SetLastWriteTimeUtc(_temp["store/.tmp/old"], new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        await File.WriteAllTextAsync(_temp["store/.tmp/new"], "x", Token);
        Assert.Equal(1, _store.Clear(new DateTimeOffset(2021, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        Assert.True(File.Exists(_temp["store/.tmp/new"]));
    }

    [Fact]
    public async Task Workspace_ThroughAFolder_IsTheSame()
    {
        using var tree = new TempFolder();
        for (var i = 0; i < 200; i++)
            tree.Write($"{i % 7}/{i}", Bytes.Text(i, 2000));
        tree.Write("large", Bytes.Random(1, 5_000_000));
        var ring = new KeyRing(_store, "acme", [new LocalMasterKey(Vectors.Key)]);
        var store = new WorkspaceStore(_store, await ring.OpenOrCreateAsync(Token), TimeProvider.System);
        var report = await store.SnapshotAsync(tree.Path, new SnapshotOptions(), Token);
        // Another process: nothing in memory.
        using var other = new FolderBlobStore(_temp["store"]);
        var again = new WorkspaceStore(other, await new KeyRing(other, "acme", [new LocalMasterKey(Vectors.Key)]).OpenAsync(Token), TimeProvider.System);
        await again.RestoreAsync(report.Id, _temp["target"], new RestoreOptions(), Token);
        Assert.Equal(TreeText.Of(tree.Path), TreeText.Of(_temp["target"]));
        Assert.Empty((await again.CheckAsync(readData: true, Token)).Defects);
    }
}
