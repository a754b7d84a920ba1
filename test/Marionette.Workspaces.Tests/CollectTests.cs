using Marionette.Workspaces.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Workspaces.Tests;

public sealed class CollectTests
{
    private static readonly CollectOptions NoGrace = new() { Grace = TimeSpan.FromSeconds(-1) };

    private static Task<CollectReport> CollectAsync(World world, CollectOptions? options = null) => world.Store.CollectAsync(options ?? NoGrace, world.Token);

    [Fact]
    public async Task Collect_ADeletedSnapshot_GoesInTwoSteps()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("keep", Bytes.Random(1, 50_000));
        var kept = await world.SnapshotAsync();
        world.Tree.Write("lose", Bytes.Random(2, 50_000));
        var lost = await world.SnapshotAsync();
        await world.Store.Snapshots.DeleteAsync(lost.Id, world.Token);
        var packs = world.Blobs.Count("packs/");
        Assert.Equal((2, 0), (await CollectAsync(world)) is var first ? (first.Condemned, first.Deleted) : default);
        Assert.Equal(packs, world.Blobs.Count("packs/"));
        Assert.Equal(2, (await CollectAsync(world)).Deleted);
        Assert.Equal(packs - 2, world.Blobs.Count("packs/"));
        Assert.Equal(0, world.Blobs.Count("condemned/"));
        await world.RestoreAsync(kept.Id);
        Assert.Empty((await world.Store.CheckAsync(true, world.Token)).Defects);
    }

    [Fact]
    public async Task Collect_YoungPacks_AreLeftAlone()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        await world.Store.Snapshots.DeleteAsync((await world.SnapshotAsync()).Id, world.Token);
        Assert.Equal(0, (await CollectAsync(world, new CollectOptions())).Condemned);
        ((FakeTimeProvider)world.Clock).Advance(TimeSpan.FromHours(2));
        Assert.Equal(2, (await CollectAsync(world, new CollectOptions())).Condemned);
    }

    [Fact]
    public async Task Collect_APackOfWhichLittleIsNeeded_IsWrittenAnew()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("keep", Bytes.Random(1, 20_000)).Write("lose", Bytes.Random(2, 200_000));
        var both = await world.SnapshotAsync();
        File.Delete(world.Tree["lose"]);
        var kept = await world.SnapshotAsync();
        await world.Store.Snapshots.DeleteAsync(both.Id, world.Token);
        Assert.Equal(1, (await CollectAsync(world)).Repacked);
        await CollectAsync(world);
        await CollectAsync(world);
        Assert.InRange(world.Blobs.Objects.Where(one => one.Key.StartsWith("packs/", StringComparison.Ordinal)).Sum(one => one.Value.Content.Length), 20_000, 30_000);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(kept.Id)));
        Assert.Empty((await world.Store.CheckAsync(true, world.Token)).Defects);
    }

    [Fact]
    public async Task Collect_ACondemnedPackThatIsNeededAgain_IsStoredAnew()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        await world.Store.Snapshots.DeleteAsync((await world.SnapshotAsync(cache: true)).Id, world.Token);
        await CollectAsync(world);
        var again = await world.SnapshotAsync(cache: true);
        Assert.True(again.NewChunks > 0);
        await CollectAsync(world);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(again.Id)));
        Assert.Empty((await world.Store.CheckAsync(true, world.Token)).Defects);
    }

    [Fact]
    public async Task Collect_ByTwoAtOnce_OneIsBusy()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", "1");
        await world.SnapshotAsync();
        var (inside, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.Blobs.Before = async (op, name) =>
        {
            if (op == "list" && name == "packs/")
            {
                inside.TrySetResult();
                await goOn.Task;
            }
        };
        var first = CollectAsync(world);
        await inside.Task;
        Assert.Equal(WorkspaceFault.Busy, (await Assert.ThrowsAsync<WorkspaceException>(() => CollectAsync(world))).Fault);
        goOn.SetResult();
        await first;
        await CollectAsync(world);
    }

    [Fact]
    public async Task Collect_ASnapshotUnderWay_IsWaitedFor()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        var old = await world.SnapshotAsync();
        var (inside, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var held = false;
        world.Blobs.Before = async (op, name) =>
        {
            // The snapshot has looked everything up, and has not written its record.
            if (op == "put" && name.StartsWith("snapshots/", StringComparison.Ordinal) && !held)
            {
                held = true;
                inside.SetResult();
                await goOn.Task;
            }
        };
        var underway = world.SnapshotAsync();
        await inside.Task;
        await world.Store.Snapshots.DeleteAsync(old.Id, world.Token);
        Assert.Equal(2, (await CollectAsync(world)).Condemned);
        Assert.Equal(0, (await CollectAsync(world)).Deleted);
        goOn.SetResult();
        var made = await underway;
        Assert.Equal(2, (await CollectAsync(world)).Spared);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(made.Id)));
    }

    [Fact]
    public async Task Collect_ASnapshotThatSlept_CannotFinish()
    {
        var clock = new FakeTimeProvider();
        using var world = new World(clock);
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        var old = await world.SnapshotAsync();
        var (inside, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.Blobs.Before = async (op, name) =>
        {
            if (op == "put" && name.StartsWith("snapshots/", StringComparison.Ordinal))
            {
                inside.SetResult();
                await goOn.Task;
            }
            else if (op == "put" && name.StartsWith("leases/up-", StringComparison.Ordinal) && inside.Task.IsCompleted && !name.EndsWith(".fenced", StringComparison.Ordinal))
            {
                throw WorkspaceException.Io("asleep"); // its renewals do not arrive
            }
        };
        var underway = world.SnapshotAsync();
        await inside.Task;
        await world.Store.Snapshots.DeleteAsync(old.Id, world.Token);
        await CollectAsync(world);
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(2, (await CollectAsync(world)).Deleted);
        goOn.SetResult();
        Assert.Equal(WorkspaceFault.Busy, (await Assert.ThrowsAsync<WorkspaceException>(() => underway)).Fault);
        Assert.Equal(0, world.Blobs.Count("snapshots/"));
    }

    [Fact]
    public async Task Collect_AnUnreadableSnapshot_DeletesNothing()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 5000));
        var report = await world.SnapshotAsync();
        world.Blobs.Objects["snapshots/" + report.Id].Content[30] ^= 1;
        Assert.Equal(WorkspaceFault.Corrupt, (await Assert.ThrowsAsync<WorkspaceException>(() => CollectAsync(world))).Fault);
        Assert.Equal(2, world.Blobs.Count("packs/"));
    }

    [Fact]
    public async Task Collect_OverAnIndexThatIsOlderThanTheStore_KeepsWhatSnapshotsNeed()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        await world.SnapshotAsync();
        var known = world.Blobs.Objects.Keys.Where(name => name.StartsWith("index/", StringComparison.Ordinal)).ToHashSet();
        world.Tree.Write("b", Bytes.Random(2, 50_000));
        var newest = await world.SnapshotAsync();
        foreach (var name in world.Blobs.Objects.Keys.Where(name => name.StartsWith("index/", StringComparison.Ordinal) && !known.Contains(name)).ToList())
            world.Blobs.Objects.Remove(name, out _);
        await CollectAsync(world);
        await CollectAsync(world);
        Assert.Equal(TreeText.Of(world.Tree.Path), TreeText.Of(await world.RestoreAsync(newest.Id)));
        Assert.Empty((await world.Store.CheckAsync(true, world.Token)).Defects);
    }

    [Fact]
    public async Task Collect_APackWhoseListDoesNotOpen_IsLeftAlone()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        var kept = await world.SnapshotAsync();
        var name = "packs/" + new string('0', 64);
        await world.Blobs.PutAsync(name, Bytes.Random(3, 5000), BlobPut.IfAbsent, world.Token);
        await CollectAsync(world);
        await CollectAsync(world);
        Assert.True(world.Blobs.Objects.ContainsKey(name));
        await world.RestoreAsync(kept.Id);
    }

    [Fact]
    public async Task Collect_WhatADeadUploadLeft_IsDeleted()
    {
        using var world = new World(new FakeTimeProvider());
        world.Tree.Write("a", Bytes.Random(1, 50_000));
        world.Blobs.Before = (op, name) => op == "put" && name.StartsWith("index/", StringComparison.Ordinal) ? throw WorkspaceException.Io("killed") : ValueTask.CompletedTask;
        await Assert.ThrowsAsync<WorkspaceException>(() => world.SnapshotAsync());
        world.Blobs.Before = (_, _) => ValueTask.CompletedTask;
        Assert.Equal(2, world.Blobs.Count("packs/"));
        await CollectAsync(world);
        await CollectAsync(world);
        Assert.Equal(0, world.Blobs.Count("packs/"));
    }
}
