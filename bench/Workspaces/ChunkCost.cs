using System.Diagnostics;
using Marionette.Workspaces;

namespace Marionette.Bench.Workspaces;

/// <summary>
/// What two versions of a folder cost in a store of their own, by sizes of chunks. The library runs in this process: the product's programs know no sizes
/// but the format's.
/// </summary>
/// <param name="First">Bytes that the first version takes, index included.</param>
/// <param name="Again">Bytes that the second version adds.</param>
/// <param name="FirstSeconds">Of the first snapshot.</param>
/// <param name="AgainSeconds">Of the second, which reads everything.</param>
/// <param name="Chunks">Of both.</param>
internal sealed record ChunkCost(long First, long Again, double FirstSeconds, double AgainSeconds, long Chunks)
{
    private const string Tenant = "default";

    public static async Task<ChunkCost> MeasureAsync(string before, string after, ChunkSizes sizes, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-bench-chunks-").FullName;
        try
        {
            using var blobs = new FolderBlobStore(folder);
            var part = new PrefixedBlobStore(blobs, Tenant + "/");
            var keys = await new KeyRing(part, Tenant, [new LocalMasterKey(LocalMasterKey.New())]).OpenOrCreateAsync(cancellationToken);
            var store = new WorkspaceStore(part, keys, TimeProvider.System);
            var (first, firstSeconds) = await SnapshotAsync(before);
            var stored = StoredIn(folder);
            var (again, againSeconds) = await SnapshotAsync(after);
            return new ChunkCost(stored, StoredIn(folder) - stored, firstSeconds, againSeconds, first.NewChunks + again.NewChunks);

            async Task<(SnapshotReport Report, double Seconds)> SnapshotAsync(string tree)
            {
                var began = Stopwatch.GetTimestamp();
                var report = await store.SnapshotAsync(tree, new SnapshotOptions { Sizes = sizes }, cancellationToken);
                return (report, Stopwatch.GetElapsedTime(began).TotalSeconds);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static long StoredIn(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
}
