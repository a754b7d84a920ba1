using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class RestoreTests
{
    [Fact]
    public async Task Restore_IntoAFullFolder_IsRefused()
    {
        using var world = new World();
        world.Tree.Write("a", "1");
        var report = await world.SnapshotAsync();
        world.Temp.Write("full/b", "x");
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.Store.RestoreAsync(report.Id, world.Temp["full"], new RestoreOptions(), world.Token));
        Assert.Equal(WorkspaceFault.Invalid, fault.Fault);
    }

    [Theory]
    [InlineData(ExistingEntries.Replace, true)]
    [InlineData(ExistingEntries.Mirror, false)]
    public async Task Restore_OverAnother_ReplacesAndMaybeRemoves(ExistingEntries existing, bool keepsOthers)
    {
        using var world = new World();
        world.Tree.Write("a", "new").Write("sub/b", "new");
        File.CreateSymbolicLink(world.Tree["l"], "a");
        var report = await world.SnapshotAsync();
        world.Temp.Write("full/a", "old").Write("full/other/x", "old").Write("full/l", "old");
        await world.Store.RestoreAsync(report.Id, world.Temp["full"], new RestoreOptions { Existing = existing }, world.Token);
        Assert.Equal("new", await File.ReadAllTextAsync(world.Temp["full/a"], world.Token));
        Assert.Equal("a", new FileInfo(world.Temp["full/l"]).LinkTarget);
        Assert.Equal(keepsOthers, File.Exists(world.Temp["full/other/x"]));
    }

    [Fact]
    public async Task Restore_ALinkWhereAFolderBelongs_IsNotFollowed()
    {
        using var world = new World();
        world.Tree.Write("sub/file", "new");
        var report = await world.SnapshotAsync();
        world.Temp.Write("outside/keep", "mine");
        Directory.CreateDirectory(world.Temp["target"]);
        File.CreateSymbolicLink(world.Temp["target/sub"], world.Temp["outside"]);
        await world.Store.RestoreAsync(report.Id, world.Temp["target"], new RestoreOptions { Existing = ExistingEntries.Replace }, world.Token);
        Assert.Equal(["keep"], Directory.GetFileSystemEntries(world.Temp["outside"]).Select(Path.GetFileName));
        Assert.Equal("new", await File.ReadAllTextAsync(world.Temp["target/sub/file"], world.Token));
    }

    [Fact]
    public async Task Restore_MirrorOverAFolderThatMayNotBeWrittenIn_RemovesIt()
    {
        using var world = new World();
        world.Tree.Write("file", "new");
        var report = await world.SnapshotAsync();
        world.Temp.Write("target/mod/pkg/deep/x", "old").Write("target/mod/pkg/y", "old");
        foreach (var folder in new[] { "target/mod/pkg/deep", "target/mod/pkg", "target/mod" })
            File.SetUnixFileMode(world.Temp[folder], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await world.Store.RestoreAsync(report.Id, world.Temp["target"], new RestoreOptions { Existing = ExistingEntries.Mirror }, world.Token);
        Assert.Equal(["file"], Directory.GetFileSystemEntries(world.Temp["target"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Snapshot_LeavesOutNamesOfItsRootThatBeginSo_AndOnlyThere()
    {
        using var world = new World();
        world.Tree.Write("mark", "1").Write("mark.more", "1").Write("a", "1").Write("sub/mark", "kept");
        var options = new SnapshotOptions { LeaveOut = "mark", CacheFile = world.Temp["cache"] };
        var first = await world.Store.SnapshotAsync(world.Tree.Path, options, world.Token);
        await world.Store.RestoreAsync(first.Id, world.Temp["target"], new RestoreOptions(), world.Token);
        Assert.Equal(["a", "sub"], Directory.GetFileSystemEntries(world.Temp["target"]).Select(Path.GetFileName).Order());
        Assert.Equal("kept", await File.ReadAllTextAsync(world.Temp["target/sub/mark"], world.Token));
        // A change of it is no change of the folder, with a cache too.
        world.Tree.Write("mark", "2, and longer").Write("mark.more", "2, and longer");
        Assert.Equal(first.Root, (await world.Store.SnapshotAsync(world.Tree.Path, options, world.Token)).Root);
    }

    [Fact]
    public async Task Restore_MirrorWithALinkOutside_RemovesTheLinkAlone()
    {
        using var world = new World();
        world.Tree.Write("file", "new");
        var report = await world.SnapshotAsync();
        world.Temp.Write("outside/keep", "mine");
        Directory.CreateDirectory(world.Temp["target/d"]);
        File.CreateSymbolicLink(world.Temp["target/d/out"], world.Temp["outside"]);
        await world.Store.RestoreAsync(report.Id, world.Temp["target"], new RestoreOptions { Existing = ExistingEntries.Mirror }, world.Token);
        Assert.Equal("mine", await File.ReadAllTextAsync(world.Temp["outside/keep"], world.Token));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(world.Temp["target"]).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("sub", "inner/x")]
    [InlineData("sub/inner/x", "x")]
    public async Task Restore_OnePath_RestoresThat(string path, string expected)
    {
        using var world = new World();
        world.Tree.Write("sub/inner/x", "1").Write("other", "2");
        var target = await world.RestoreAsync((await world.SnapshotAsync()).Id, new RestoreOptions { Path = path });
        Assert.Equal("1", await File.ReadAllTextAsync(Path.Combine(target, expected), world.Token));
        Assert.Single(Directory.GetFileSystemEntries(target));
    }

    [Fact]
    public async Task Restore_BeyondALimit_StopsBeforeWriting()
    {
        using var world = new World();
        world.Tree.Write("d/a", "1").Write("d/b", "2");
        using (var bomb = File.Create(world.Tree["bomb"]))
            bomb.SetLength(1L << 40);
        var id = (await world.SnapshotAsync()).Id;
        await RefusedAsync(new RestoreOptions { MaxEntries = 2 });
        await RefusedAsync(new RestoreOptions { MaxBytes = 1 << 30 });
        await RefusedAsync(new RestoreOptions { MaxDepth = 0 });

        async Task RefusedAsync(RestoreOptions options) =>
            Assert.Equal(WorkspaceFault.Limit, (await Assert.ThrowsAsync<WorkspaceException>(() => world.RestoreAsync(id, options))).Fault);
    }

    [Fact]
    public async Task Restore_SetUserId_IsDroppedAndSaid()
    {
        using var world = new World();
        world.Tree.Write("suid", "x");
        File.SetUnixFileMode(world.Tree["suid"], UnixFileMode.SetUser | UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var id = (await world.SnapshotAsync()).Id;
        var target = world.Temp["t"];
        var report = await world.Store.RestoreAsync(id, target, new RestoreOptions(), world.Token);
        Assert.Equal("suid", Assert.Single(report.Differences).Path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(target, "suid")));
        await world.Store.RestoreAsync(id, world.Temp["t2"], new RestoreOptions { KeepSetId = true }, world.Token);
        Assert.True(File.GetUnixFileMode(world.Temp["t2/suid"]).HasFlag(UnixFileMode.SetUser));
    }

    [Fact]
    public async Task Restore_WithTheRootsReferenceAlone_Works()
    {
        using var world = new World();
        world.Tree.Write("a/b", Bytes.Random(1, 300_000));
        var report = await world.SnapshotAsync();
        var restored = await new Restorer(world.Blobs, new StoreIndex(world.Blobs)).RestoreAsync(new ChunkRef(report.Root.ToArray()), world.Temp["t"], new RestoreOptions(), world.Token);
        Assert.Equal((1, 2, 300_000), (restored.Files, restored.Directories, restored.Bytes));
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(world.Temp["t"]));
    }

    [Fact]
    public async Task Restore_ContentOfAFalseWriter_IsFoundWithTheKey()
    {
        using var world = new World();
        var (good, bad) = (Bytes.Random(1, 1000), Bytes.Random(2, 1000));
        // A writer with the tenant's key seals other content under the reference of known content, before anybody stores that.
        var reference = world.Keys.Current.Convergence.Reference(ChunkType.Data, good);
        using var codec = new ChunkCodec();
        byte[] stored = [];
        var (length, method) = codec.Seal(reference, ChunkType.Data, bad, ref stored);
        await using var pack = await PackWriter.BeginAsync(world.Blobs, world.Token);
        await pack.AppendAsync(new PackEntry(reference.ToId(ChunkType.Data), length, bad.Length, ChunkType.Data) { Method = method }, stored.AsMemory(0, length), world.Token);
        await world.Store.Index.AddAsync([await pack.CommitAsync(world.Token)], world.Token);
        world.Tree.Write("file", good);
        var report = await world.SnapshotAsync();
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.RestoreAsync(report.Id));
        Assert.Equal(WorkspaceFault.Corrupt, fault.Fault);
    }

    [Fact]
    public async Task Restore_ALargeFolder_IsTheSame()
    {
        using var world = new World();
        for (var i = 0; i < 2500; i++)
            world.Tree.Write($"f{i * 7919 % 10_000:00000}", $"{i}");
        var target = await world.RestoreAsync((await world.SnapshotAsync()).Id);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(target));
    }

    [Fact]
    public async Task Restore_AFileOfManyChunks_IsTheSame()
    {
        using var world = new World();
        world.Tree.Write("large", Bytes.Random(1, 1_500_000));
        var options = new SnapshotOptions { Sizes = new ChunkSizes(64, 8, 1024), Workers = 2 };
        var report = await world.Store.SnapshotAsync(world.Tree.Path, options, world.Token);
        Assert.True(report.NewChunks > 3000);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(report.Id)));
    }
}
