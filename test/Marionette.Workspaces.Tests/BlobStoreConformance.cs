using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

/// <summary>What every store does, wherever it keeps its objects.</summary>
public abstract class BlobStoreConformance : IAsyncLifetime
{
    private IBlobStore _store = null!;

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Whether the first bytes of an object that has none can be asked for.</summary>
    protected virtual bool ReadsNothing => true;

    public async ValueTask InitializeAsync()
    {
        await StartAsync();
        _store = Open();
    }

    public async ValueTask DisposeAsync()
    {
        (_store as IDisposable)?.Dispose();
        await EndAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Put_WhatIsThere_ReplacesOnlyWhenAsked()
    {
        Assert.True(await _store.PutAsync("a/b", "1"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.False(await _store.PutAsync("a/b", "2"u8.ToArray(), BlobPut.IfAbsent, Token));
        Assert.False(await _store.PutAsync("a/b", "2"u8.ToArray(), BlobPut.Fleeting, Token));
        Assert.Equal("1"u8.ToArray(), await _store.ReadWholeAsync("a/b", 10, Token));
        Assert.True(await _store.PutAsync("a/b", "33"u8.ToArray(), BlobPut.Replace, Token));
        Assert.Equal("33"u8.ToArray(), await _store.ReadWholeAsync("a/b", 10, Token));
        Assert.True(await _store.PutAsync("a/c", "3"u8.ToArray(), BlobPut.Replace, Token));
    }

    [Fact]
    public async Task Put_ByManyAtOnce_OneWins()
    {
        var won = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () => await _store.PutAsync("x/y", new[] { (byte)i }, BlobPut.IfAbsent, Token), Token)));
        Assert.Single(won, true);
        var winner = (byte)Array.IndexOf(won, true);
        Assert.Equal(new[] { winner }, (await _store.ReadWholeAsync("x/y", 10, Token))!);
    }

    [Fact]
    public async Task Put_OfAPartOfAnArray_PutsThatPart()
    {
        var bytes = Bytes.Random(1, 1000);
        await _store.PutAsync("a/part", bytes.AsMemory(100, 50), BlobPut.IfAbsent, Token);
        Assert.Equal(bytes[100..150], await _store.ReadWholeAsync("a/part", 1000, Token));
    }

    [Fact]
    public async Task Put_OfNothing_IsAnObject()
    {
        await _store.PutAsync("a/empty", ReadOnlyMemory<byte>.Empty, BlobPut.IfAbsent, Token);
        Assert.Equal(0, (await _store.FindAsync("a/empty", Token))!.Length);
        if (ReadsNothing) Assert.Equal(0, await _store.ReadAsync("a/empty", 0, new byte[4], Token));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a//b")]
    [InlineData("a/.hidden")]
    [InlineData("a/B")]
    [InlineData("a b")]
    [InlineData("")]
    public async Task Name_ThatIsNone_IsRefused_ByEachCall(string name)
    {
        await FailsAsync(WorkspaceFault.Invalid, async () => await _store.PutAsync(name, new byte[1], BlobPut.IfAbsent, Token));
        await FailsAsync(WorkspaceFault.Invalid, async () => await _store.ReadAsync(name, 0, new byte[1], Token));
        await FailsAsync(WorkspaceFault.Invalid, async () => await _store.FindAsync(name, Token));
        await FailsAsync(WorkspaceFault.Invalid, async () => await _store.DeleteAsync(name, Token));
        await using var upload = await _store.BeginAsync(Token);
        await upload.AppendAsync(new byte[1], Token);
        await FailsAsync(WorkspaceFault.Invalid, async () => await upload.CommitAsync(name, Token));
    }

    [Fact]
    public async Task Missing_IsSaidByReads_AndNullToWhoLooks()
    {
        var fault = await FailsAsync(WorkspaceFault.Missing, async () => await _store.ReadAsync("a/gone", 0, new byte[1], Token));
        Assert.Contains("a/gone", fault.Message, StringComparison.Ordinal);
        Assert.Null(await _store.FindAsync("a/gone", Token));
        await _store.DeleteAsync("a/gone", Token);
    }

    [Fact]
    public async Task Read_GivesTheRange_AndLessAtTheEnd()
    {
        var bytes = Bytes.Random(2, 3_000_000);
        await _store.PutAsync("a/large", bytes, BlobPut.IfAbsent, Token);
        foreach (var (offset, length) in new[] { (0, 10), (1, 1), (1_234_567, 1_048_576), (2_999_990, 100), (2_999_999, 1) })
        {
            var target = new byte[length];
            var expected = Math.Min(length, bytes.Length - offset);
            var read = 0;
            while (await _store.ReadAsync("a/large", offset + read, target.AsMemory(read), Token) is var count && count > 0 && (read += count) < length)
            {
            }

            Assert.Equal(expected, read);
            Assert.True(bytes.AsSpan(offset, expected).SequenceEqual(target.AsSpan(0, expected)));
        }

        Assert.Equal(0, await _store.ReadAsync("a/large", 3_000_000, new byte[10], Token));
        Assert.Equal(0, await _store.ReadAsync("a/large", 9_000_000, new byte[10], Token));
    }

    [Fact]
    public async Task Find_TellsLengthAndTime()
    {
        await _store.PutAsync("a/b", new byte[123], BlobPut.IfAbsent, Token);
        var info = await _store.FindAsync("a/b", Token);
        Assert.Equal(("a/b", 123L), (info!.Name, info.Length));
        Assert.InRange(info.Written, DateTimeOffset.UtcNow.AddMinutes(-2), DateTimeOffset.UtcNow.AddMinutes(2));
    }

    [Fact]
    public async Task List_GivesAllOfThePrefix_AndNoMore_OverManyPages()
    {
        var hash = new string('a', 62);
        var names = Enumerable.Range(10, 17).Select(i => $"acme/packs/{hash}{i}").ToList();
        foreach (var name in names) await _store.PutAsync(name, new byte[3], BlobPut.IfAbsent, Token);
        foreach (var other in new[] { "acme/packs2/x", "acme/leases/up-1", "other/packs/x", "acmes/packs/x" }) await _store.PutAsync(other, new byte[1], BlobPut.Fleeting, Token);
        Assert.Equal(names, await ListAsync(_store, "acme/packs/"));
        Assert.Equal(names.Append("acme/leases/up-1").Append("acme/packs2/x").Order(StringComparer.Ordinal), await ListAsync(_store, "acme/"));
        Assert.Empty(await ListAsync(_store, "nobody/"));
        Assert.Equal(names.Select(name => name["acme/".Length..]), await ListAsync(new PrefixedBlobStore(_store, "acme/"), "packs/"));
    }

    [Fact]
    public async Task Delete_IsForAll_AndCanBeRepeated()
    {
        await _store.PutAsync("a/b", new byte[1], BlobPut.IfAbsent, Token);
        await _store.DeleteAsync("a/b", Token);
        await _store.DeleteAsync("a/b", Token);
        Assert.Null(await _store.FindAsync("a/b", Token));
        Assert.Empty(await ListAsync(_store, "a/"));
        Assert.True(await _store.PutAsync("a/b", new byte[2], BlobPut.IfAbsent, Token));
    }

    [Fact]
    public async Task Upload_IsThereWhole_AndOnlyWhenCommitted()
    {
        var bytes = Bytes.Random(3, 700_000);
        await using (var upload = await _store.BeginAsync(Token))
        {
            for (var at = 0; at < bytes.Length; at += 100_000) await upload.AppendAsync(bytes.AsMemory(at, 100_000), Token);
            Assert.Empty(await ListAsync(_store, "packs/"));
            await upload.CommitAsync("packs/p", Token);
        }

        await using (var other = await _store.BeginAsync(Token))
        {
            await other.AppendAsync(new byte[10], Token);
            // What is there stays, and nobody is told otherwise: equal names are equal bytes.
            await other.CommitAsync("packs/p", Token);
        }

        await using (var dropped = await _store.BeginAsync(Token)) await dropped.AppendAsync(new byte[10], Token);
        Assert.Equal(["packs/p"], await ListAsync(_store, "packs/"));
        Assert.Equal(bytes, await _store.ReadWholeAsync("packs/p", 1_000_000, Token));
    }

    [Fact]
    public async Task Workspace_IsStoredRestoredCheckedAndCollected()
    {
        using var tree = new TempFolder();
        for (var i = 0; i < 200; i++) tree.Write($"{i % 7}/{i}", Bytes.Text(i, 2000));
        tree.Write("large", Bytes.Random(1, 5_000_000));
        var store = new WorkspaceStore(_store, await new KeyRing(_store, "acme", [new LocalMasterKey(Vectors.Key)]).OpenOrCreateAsync(Token), TimeProvider.System);
        var report = await store.SnapshotAsync(tree.Path, new SnapshotOptions(), Token);
        // Another process: nothing in memory.
        var again = Open();
        var keys = await new KeyRing(again, "acme", [new LocalMasterKey(Vectors.Key)]).OpenAsync(Token);
        var opened = new WorkspaceStore(again, keys, TimeProvider.System);
        using var target = new TempFolder();
        await opened.RestoreAsync(report.Id, target["restored"], new RestoreOptions(), Token);
        Assert.Equal(TreeText.Of(tree.Path), TreeText.Of(target["restored"]));
        Assert.Empty((await opened.CheckAsync(readData: true, Token)).Defects);
        await opened.Snapshots.DeleteAsync(report.Id, Token);
        await opened.CollectAsync(new CollectOptions { Grace = TimeSpan.Zero }, Token);
        Assert.True((await opened.CollectAsync(new CollectOptions { Grace = TimeSpan.Zero }, Token)).Deleted > 0);
        Assert.Empty(await ListAsync(again, "packs/"));
        (again as IDisposable)?.Dispose();
    }

    /// <summary>Starts what holds the objects; a test begins with none.</summary>
    private protected abstract Task StartAsync();

    private protected abstract ValueTask EndAsync();

    /// <summary>One more store over the same objects.</summary>
    private protected abstract IBlobStore Open();

    internal static async Task<List<string>> ListAsync(IBlobStore store, string prefix)
    {
        var names = new List<string>();
        await foreach (var info in store.ListAsync(prefix, Token)) names.Add(info.Name);
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    private protected static async Task<WorkspaceException> FailsAsync(WorkspaceFault fault, Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<WorkspaceException>(call);
        Assert.True(fault == failure.Fault, $"{failure.Fault}: {failure.Message}");
        return failure;
    }
}
