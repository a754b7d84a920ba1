using Marionette.Bench.Measuring;

namespace Marionette.Bench.Figures;

/// <summary>Something that is measured on a server of its own; gives one figure or several.</summary>
internal interface IMeasurement
{
    /// <summary>What <c>--only</c> calls it.</summary>
    string Name { get; }

    /// <summary>Why it is left out here where it was not asked for by name; null when it is not.</summary>
    string? Missing => null;

    IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, CancellationToken cancellationToken);
}

/// <summary>All measurements, in the order in which they run.</summary>
internal static class Catalog
{
    private static readonly IMeasurement[] All =
    [
        new EventsDurable(), new EventsLatency(), new EventsFanOut(), new EventsReplay(), new PermissionRoundTrip(), new TaskRate(), new ApiRate(), new MemoryUse(), new AdapterCost(), new EgressCost(),
        new StartProcess(), new StartDocker(warm: false), new StartDocker(warm: true), new StartDockerMany(50), new StartDockerMany(200), new DockerIdleMemory(),
        new SuspendResume("10mb", 10_000_000), new SuspendResume("100mb", 100_000_000), new SuspendResume("1gb", 1_000_000_000), new SuspendedMany(),
        StartPool.Bwrap(), StartPool.Gvisor(), Neighbours.Bwrap(), Neighbours.Gvisor(), Failover.Killed(), Failover.Hung(), new RunnerFailover(),
        new WorkspacePeers("files"), new WorkspacePeers("git"), new WorkspacePeers("binaries"), new WorkspaceUnchanged(),
        new BucketVsFolder(), new ChunkParameters("packages"), new ChunkParameters("git"), new ChunkParameters("build"), new ChunkParameters("shifted"),
    ];

    public static IReadOnlyList<string> Names { get; } = [.. All.Select(measurement => measurement.Name)];

    /// <returns>Exit code: 0 when all was measured, whether the goals hold or not; 1 when something could not be.</returns>
    public static async Task<int> RunAsync(BenchOptions options, FigureWriter writer, CancellationToken cancellationToken)
    {
        var failed = false;
        foreach (var measurement in All.Where(m => options.Only.Count == 0 || options.Only.Contains(m.Name)))
        {
            if (options.Only.Count == 0 && measurement.Missing is { } missing)
            {
                await Console.Error.WriteLineAsync($"bench: {measurement.Name} is left out: {missing}");
                continue;
            }

            try
            {
                await foreach (var figure in measurement.MeasureAsync(options, cancellationToken)) writer.Write(figure);
            }
            catch (Exception e)
            {
                if (cancellationToken.IsCancellationRequested) return 130;
                await Console.Error.WriteLineAsync($"bench: {measurement.Name} could not be measured: {e}");
                failed = true;
            }
        }

        return failed ? 1 : 0;
    }
}
