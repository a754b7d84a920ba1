using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

/// <summary>How objects lie in a folder; what every store does is in <see cref="BlobStoreConformance"/>.</summary>
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
    public async Task Put_LeavesNothingBeside()
    {
        Assert.True(await _store.PutAsync("a/b", "1"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.False(await _store.PutAsync("a/b", "2"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.True(await _store.PutAsync("a/b", "33"u8.ToArray(), BlobPut.Replace, Token));
        Assert.Empty(Directory.GetFiles(_temp["store/.tmp"]));
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
}
