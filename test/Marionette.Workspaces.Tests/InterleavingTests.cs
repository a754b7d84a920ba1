using FsCheck.Xunit;
using Marionette.Workspaces.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Workspaces.Tests;

/// <summary>
/// Uploads, deletions and collections at once, in a random order that goes on at every operation of the store, with faults thrown in: whatever happens, every snapshot
/// that was told to be stored restores byte for byte.
/// </summary>
public sealed class InterleavingTests
{
    private const int Writers = 3, Steps = 5;

    [Property(MaxTest = 25)]
    public async Task Everything_AtOnce_LosesNoSnapshot(int seed)
    {
        var clock = new FakeTimeProvider();
        using var world = new World(clock);
        var turns = new Turns(seed);
        world.Blobs.Before = turns.BeforeAsync;
        var kept = new System.Collections.Concurrent.ConcurrentDictionary<string, string[]>();
        var work = Enumerable.Range(0, Writers).Select(writer => WriteAsync(world, turns, kept, seed, writer)).Append(CollectAsync(world, clock)).Append(CollectAsync(world, clock)).ToList();
        await Task.WhenAll(work);
        turns.Stop();
        clock.Advance(TimeSpan.FromHours(2)); // what died with a lease no longer holds it
        for (var i = 0; i < 3; i++)
            await new WorkspaceStore(world.Blobs, world.Keys, clock).CollectAsync(new CollectOptions { Grace = TimeSpan.FromSeconds(-1) }, CancellationToken.None);
        var store = new WorkspaceStore(world.Blobs, world.Keys, clock);
        foreach (var (id, expected) in kept)
        {
            var target = world.Temp[id];
            await store.RestoreAsync(id, target, new RestoreOptions { Workers = 1 }, CancellationToken.None);
            Assert.True(expected.SequenceEqual(TreeText.Of(target, times: false)), $"seed {seed}: {id} is not what it was");
        }

        Assert.True((await store.CheckAsync(readData: true, CancellationToken.None)).Defects.Count == 0, $"seed {seed}: the store has defects");
    }

    private static async Task WriteAsync(World world, Turns turns, System.Collections.Concurrent.ConcurrentDictionary<string, string[]> kept, int seed, int writer)
    {
        await Task.Yield();
        var random = new Random(seed ^ (writer * 7919));
        var tree = world.Temp.Folder($"tree-{writer}");
        var store = new WorkspaceStore(world.Blobs, world.Keys, world.Clock);
        for (var step = 0; step < Steps; step++)
        {
            // Few contents, so that writers share chunks that others delete.
            for (var i = 0; i < 3; i++)
                await File.WriteAllBytesAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(tree, $"d{random.Next(2)}")).FullName, $"f{random.Next(3)}"), Bytes.Random(random.Next(6), 400));
            try
            {
                var report = await store.SnapshotAsync(tree, new SnapshotOptions { Workers = 1, CacheFile = random.Next(2) == 0 ? world.Temp[$"cache-{writer}"] : null }, CancellationToken.None);
                kept[report.Id] = TreeText.Of(tree, times: false);
            }
            catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Io or WorkspaceFault.Busy)
            {
                continue; // told to be not stored
            }

            if (random.Next(2) == 0 && kept.Keys.Order(StringComparer.Ordinal).FirstOrDefault() is { } oldest && kept.TryRemove(oldest, out _))
                await turns.WithoutFaultsAsync(() => store.Snapshots.DeleteAsync(oldest, CancellationToken.None).AsTask());
        }
    }

    private static async Task CollectAsync(World world, FakeTimeProvider clock)
    {
        await Task.Yield();
        var store = new WorkspaceStore(world.Blobs, world.Keys, world.Clock);
        var options = new CollectOptions { Grace = TimeSpan.FromSeconds(-1), RepackBelow = 0.9 };
        for (var i = 0; i < Steps * 3; i++)
        {
            clock.Advance(TimeSpan.FromMinutes(1)); // leases are renewed, or run out where renewing fails
            try
            {
                await store.CollectAsync(options, CancellationToken.None);
            }
            catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Io or WorkspaceFault.Busy)
            {
                await Task.Yield();
            }
        }
    }

    /// <summary>At each operation of the store: some yields, so that others come in between, and now and then a fault.</summary>
    private sealed class Turns(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly Lock _gate = new();
        private bool _stopped;

        public async ValueTask BeforeAsync(string op, string name)
        {
            int yields;
            bool fails;
            lock (_gate)
            {
                if (_stopped)
                    return;
                (yields, fails) = (_random.Next(4), op is "put" or "read" or "list" && _random.Next(150) == 0);
            }

            for (var i = 0; i < yields; i++)
                await Task.Yield();
            if (fails)
                throw WorkspaceException.Io($"a fault at {op} {name}");
        }

        public async Task WithoutFaultsAsync(Func<Task> action)
        {
            while (true)
            {
                try
                {
                    await action();
                    return;
                }
                catch (WorkspaceException fault) when (fault.Fault == WorkspaceFault.Io)
                {
                    await Task.Yield();
                }
            }
        }

        public void Stop()
        {
            lock (_gate)
                _stopped = true;
        }
    }
}
