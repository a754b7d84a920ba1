using Marionette.Workspaces.Tests.Support;

namespace Marionette.Workspaces.Tests;

public sealed class CacheTests
{
    /// <summary>Waits, by the files' own clock, until a change must show in the times.</summary>
    private static async Task SettleAsync(World world)
    {
        var began = Libc.FileClock();
        while (Libc.FileClock() < began + 50_000_000)
            await Task.Delay(5, world.Token);
    }

    [Fact]
    public async Task Snapshot_NothingChanged_ReadsNoFile()
    {
        using var world = new World();
        for (var i = 0; i < 300; i++)
            world.Tree.Write($"{i % 10}/{i}", Bytes.Text(i, 1000));
        await SettleAsync(world);
        var first = await world.SnapshotAsync(cache: true);
        var second = await world.SnapshotAsync(cache: true);
        Assert.Equal((first.Root, 0L, 0L), (second.Root, second.FilesRead, second.NewChunks));
        Assert.Equal((first.Files, first.Directories, first.Bytes), (second.Files, second.Directories, second.Bytes));
        var third = await world.SnapshotAsync(cache: true);
        Assert.Equal((first.Root, 0L), (third.Root, third.FilesRead));
    }

    [Fact]
    public async Task Snapshot_OneFileChanged_ReadsThatOne()
    {
        using var world = new World();
        for (var i = 0; i < 300; i++)
            world.Tree.Write($"{i % 10}/{i}", Bytes.Text(i, 1000));
        await SettleAsync(world);
        await world.SnapshotAsync(cache: true);
        world.Tree.Write("3/13", "changed").Write("3/new", "new");
        File.Delete(world.Tree["4/14"]);
        var report = await world.SnapshotAsync(cache: true);
        Assert.Equal(2, report.FilesRead);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(report.Id)));
    }

    [Fact]
    public async Task Snapshot_ChangedInTheSameTick_IsNotMissed()
    {
        using var world = new World();
        for (var round = 0; round < 20; round++)
        {
            world.Tree.Write("racy", $"{round:00}");
            var report = await world.SnapshotAsync(cache: true);
            var target = await world.RestoreAsync(report.Id);
            Assert.Equal($"{round:00}", await File.ReadAllTextAsync(Path.Combine(target, "racy"), world.Token));
        }
    }

    [Fact]
    public async Task Snapshot_AfterRestore_ReadsNoFile()
    {
        using var world = new World();
        for (var i = 0; i < 200; i++)
            world.Tree.Write($"{i % 10}/{i}", Bytes.Text(i, 1000));
        var first = await world.SnapshotAsync();
        var target = await world.RestoreAsync(first.Id, new RestoreOptions { CacheFile = world.Cache });
        var second = await world.Store.SnapshotAsync(target, new SnapshotOptions { CacheFile = world.Cache }, world.Token);
        Assert.Equal(first.Root, second.Root);
        Assert.Equal(0, second.FilesRead);
    }

    [Fact]
    public async Task Snapshot_TheCachesSnapshotIsGone_StoresEverythingAgain()
    {
        using var world = new World();
        world.Tree.Write("a/file", Bytes.Random(1, 100_000));
        await SettleAsync(world);
        var first = await world.SnapshotAsync(cache: true);
        world.Blobs.Objects.Clear();
        var second = await world.SnapshotAsync(cache: true);
        Assert.Equal(first.Root, second.Root);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(second.Id)));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(40)]
    [InlineData(400)]
    public async Task Snapshot_ADamagedCache_IsAsIfThereWereNone(int place)
    {
        using var world = new World();
        world.Tree.Write("a/file", Bytes.Random(1, 100_000));
        await SettleAsync(world);
        await world.SnapshotAsync(cache: true);
        var content = await File.ReadAllBytesAsync(world.Cache, world.Token);
        content[place % content.Length] ^= 1;
        await File.WriteAllBytesAsync(world.Cache, content, world.Token);
        Assert.Equal(1, (await world.SnapshotAsync(cache: true)).FilesRead);
    }

    [Fact]
    public async Task Cache_IsTheOwnersAlone()
    {
        using var world = new World();
        world.Tree.Write("file", "x");
        await world.SnapshotAsync(cache: true);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(world.Cache));
    }
}
