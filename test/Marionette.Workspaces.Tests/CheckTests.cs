using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class CheckTests
{
    private static async Task<World> TwoSnapshotsAsync()
    {
        var world = new World();
        world.Tree.Write("shared", Bytes.Random(1, 3000)).Write("first/only", Bytes.Random(2, 3000));
        await world.SnapshotAsync();
        Directory.Delete(world.Tree["first"], true);
        world.Tree.Write("second/only", Bytes.Random(3, 3000));
        await world.SnapshotAsync();
        return world;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Check_AGoodStore_HasNoDefect(bool readData)
    {
        using var world = await TwoSnapshotsAsync();
        var report = await world.Store.CheckAsync(readData, world.Token);
        Assert.Empty(report.Defects);
        // Two workers that store at once have a pack each.
        Assert.Equal((2, (await world.Store.Index.ListPacksAsync(world.Token)).Count), (report.Snapshots, report.Packs));
        Assert.Equal(readData, report.BytesRead > 0);
    }

    [Fact]
    public async Task Check_AFlippedBitInAnyPack_IsFoundAndNamed()
    {
        using var world = await TwoSnapshotsAsync();
        foreach (var (name, value) in world.Blobs.Objects.Where(one => one.Key.StartsWith("packs/", StringComparison.Ordinal)).ToList())
        {
            for (var at = 0; at < value.Content.Length; at += 41)
            {
                var changed = value.Content.ToArray();
                changed[at] ^= 0x10;
                world.Blobs.Objects[name] = (changed, value.Written);
                var report = await world.Store.CheckAsync(readData: true, world.Token);
                Assert.Contains(report.Defects, defect => defect.Name == name || (defect.Chunk is not null && defect.What.Contains(name[6..], StringComparison.Ordinal)));
            }

            world.Blobs.Objects[name] = value;
        }
    }

    [Fact]
    public async Task Check_ADamagedChunk_NamesWhatNeedsItAndOthersStayReadable()
    {
        using var world = await TwoSnapshotsAsync();
        var ids = await world.Store.Snapshots.ListAsync(world.Token);
        var chunk = world.Keys.Current.Convergence.Reference(ChunkType.Data, Bytes.Random(2, 3000)).ToId(ChunkType.Data);
        var found = new ChunkLocation?[1];
        await world.Store.Index.FindAsync(new[] { chunk }, found, world.Token);
        world.Blobs.Objects["packs/" + found[0]!.Value.Pack].Content[found[0]!.Value.Offset + 50] ^= 1;
        var report = await world.Store.CheckAsync(readData: true, world.Token);
        var defect = Assert.Single(report.Defects, one => one.Chunk == chunk);
        Assert.Equal([$"{ids[0]}:first/only"], defect.Paths);
        var fault = await Assert.ThrowsAsync<WorkspaceException>(() => world.RestoreAsync(ids[0]));
        Assert.Contains("'first/only'", fault.Message, StringComparison.Ordinal);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(ids[1])));
    }

    [Fact]
    public async Task Check_APackThatIsGone_NamesWhatNeedsIt()
    {
        using var world = await TwoSnapshotsAsync();
        var chunk = world.Keys.Current.Convergence.Reference(ChunkType.Data, Bytes.Random(3, 3000)).ToId(ChunkType.Data);
        var found = new ChunkLocation?[1];
        await world.Store.Index.FindAsync(new[] { chunk }, found, world.Token);
        var pack = "packs/" + found[0]!.Value.Pack;
        world.Blobs.Objects.TryRemove(pack, out _);
        var report = await world.Store.CheckAsync(readData: false, world.Token);
        Assert.Contains(report.Defects, defect => defect.Name == pack && defect.Paths.Any(path => path.EndsWith(":second/only", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("snapshots/")]
    [InlineData("packs/")]
    public async Task Check_ACutOffObject_IsFound(string prefix)
    {
        using var world = await TwoSnapshotsAsync();
        foreach (var (name, value) in world.Blobs.Objects.Where(one => one.Key.StartsWith(prefix, StringComparison.Ordinal)).ToList())
        {
            world.Blobs.Objects[name] = (value.Content[..^5], value.Written);
            Assert.NotEmpty((await world.Store.CheckAsync(readData: false, world.Token)).Defects);
            world.Blobs.Objects[name] = value;
        }
    }

    [Fact]
    public async Task Rebuild_ALostIndex_MakesAllReadable()
    {
        using var world = await TwoSnapshotsAsync();
        foreach (var name in world.Blobs.Objects.Keys.Where(one => one.StartsWith("index/", StringComparison.Ordinal)).ToList())
            world.Blobs.Objects.TryRemove(name, out _);
        Assert.Equal(4, await new StoreIndex(world.Blobs).RebuildAsync(world.Token));
        Assert.Empty((await world.Store.CheckAsync(readData: true, world.Token)).Defects);
        Assert.Equal(4, await new StoreIndex(world.Blobs).RebuildAsync(world.Token));
        Assert.Equal(1, world.Blobs.Count("index/"));
    }

    [Fact]
    public async Task Index_AFlippedBitAnywhere_IsFound()
    {
        using var world = await TwoSnapshotsAsync();
        var (name, value) = world.Blobs.Objects.First(one => one.Key.StartsWith("index/", StringComparison.Ordinal));
        for (var at = 0; at < value.Content.Length; at++)
        {
            var changed = value.Content.ToArray();
            changed[at] ^= 2;
            Assert.Throws<WorkspaceException>(() => StoreIndex.Read(name, changed));
        }
    }
}
