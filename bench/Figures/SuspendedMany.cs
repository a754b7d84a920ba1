using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;
using Marionette.Bench.Workspaces;

namespace Marionette.Bench.Figures;

/// <summary>What a suspended session costs: rows, bytes, objects of the store, memory of the server.</summary>
internal sealed class SuspendedMany : IMeasurement
{
    private const int Warm = 50, FilesBytes = 100_000;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    public string Name => "suspended-1000";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var figure in await BareAsync(options, cancellationToken)) yield return figure;
        foreach (var figure in await WithFilesAsync(options, cancellationToken)) yield return figure;
    }

    /// <summary>Sessions whose runners the bench played: they have a log, and no files.</summary>
    private async Task<Figure[]> BareAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        await SuspendManyAsync(stack, Warm, cancellationToken);
        var (tables, memory) = (await TableSizes.ReadAsync(stack.Database, cancellationToken), await stack.SettledRssAsync(cancellationToken));
        var count = options.Scale(1000);
        await SuspendManyAsync(stack, count, cancellationToken);
        var grown = (await stack.SettledRssAsync(cancellationToken) - memory) / (double)count;
        var sizes = (await TableSizes.ReadAsync(stack.Database, cancellationToken)).Since(tables);
        var (rows, bytes) = sizes.For(count);
        return
        [
            new Figure($"{Name}/rows", rows, "rows", null, null, null, $"a session, {count} sessions that had a runner each and no task: {sizes.Tell(count)}"),
            new Figure($"{Name}/database", bytes, "bytes", null, null, null, "a session, of the same: pg_total_relation_size of all tables, after less before"),
            new Figure(
                $"{Name}/memory", grown, "bytes", null, null, null,
                "a session, of the same: growth of the server's RSS over that of a warm server, both after a full collection that the bench asked for over "
                + "the diagnostics port; nobody asked for the sessions meanwhile"),
        ];
    }

    /// <summary>Sessions of the shipped agent, each with files that no other has.</summary>
    private async Task<Figure[]> WithFilesAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        await SuspendWithFilesAsync(stack, -1, cancellationToken);
        var (tables, objects) = (await TableSizes.ReadAsync(stack.Database, cancellationToken), Objects(stack));
        var count = options.Scale(50);
        for (var n = 0; n < count; n++) await SuspendWithFilesAsync(stack, n, cancellationToken);
        var sizes = (await TableSizes.ReadAsync(stack.Database, cancellationToken)).Since(tables);
        var (rows, bytes) = sizes.For(count);
        var now = Objects(stack);
        return
        [
            new Figure(
                $"{Name}/files-rows", rows, "rows", null, null, null,
                $"a session, {count} sessions with {FilesBytes / 1000} kB of files of their own: {sizes.Tell(count)}"),
            new Figure($"{Name}/files-database", bytes, "bytes", null, null, null, "a session, of the same"),
            new Figure(
                $"{Name}/files-objects", (now.Count - objects.Count) / (double)count, "objects", null, null, null,
                "a session, of the same: packs and records of workspace and home in the chunk store"),
            new Figure(
                $"{Name}/files-store", (now.Bytes - objects.Bytes) / (double)count, "bytes", null, null, null,
                "a session, of the same: bytes of these objects"),
        ];
    }

    private static async Task SuspendWithFilesAsync(BenchStack stack, int number, CancellationToken cancellationToken)
    {
        var session = await StoredSession.CreateAsync(stack, cancellationToken);
        SampleTree.SourceFiles(session.Workspace, FilesBytes, number);
        await session.ResumeAsync("kept", cancellationToken);
        await session.SuspendAsync(cancellationToken);
    }

    /// <summary>Who asks for a session brings its grain back into memory: the database tells when all are suspended.</summary>
    private static async Task SuspendManyAsync(BenchStack stack, int count, CancellationToken cancellationToken)
    {
        var eight = new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Enumerable.Range(0, count), eight, async (_, token) =>
        {
            var runner = await SyntheticRunner.ConnectAsync(stack, await stack.Api.CreateSessionAsync("true"), token);
            await stack.Api.PostAsync($"/api/v1/sessions/{runner.Session}/suspend", null, token);
            await using var command = stack.Database.CreateCommand("select count(*) from session_event where session = $1 and type = 'session.suspended'");
            command.Parameters.AddWithValue(runner.Session);
            while ((long)(await command.ExecuteScalarAsync(token))! == 0) await Task.Delay(Look, token);
            await runner.DisposeAsync();
        });
        // A grain leaves once its runner's process has been ended and its folder is gone.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(5));
        while (stack.RunnerFolders > 0) await Task.Delay(Look, limit.Token);
    }

    private static (int Count, long Bytes) Objects(BenchStack stack)
    {
        var files = new DirectoryInfo(Path.Combine(stack.DataDirectory, "chunks")).EnumerateFiles("*", SearchOption.AllDirectories).ToList();
        return (files.Count, files.Sum(file => file.Length));
    }
}
