using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;
using Marionette.Bench.Workspaces;
using Marionette.TestBucket;

namespace Marionette.Bench.Figures;

/// <summary>A session's files into a bucket and back, against the same with a folder: first snapshot, restore, snapshot of unchanged files.</summary>
internal sealed class BucketVsFolder : IMeasurement
{
    private const int Warm = 1_000_000, MegaBytes = 100;

    /// <summary>Names of the steps, and what a figure's note says of each.</summary>
    private static readonly (string Name, string What)[] Steps =
    [
        ("first", "suspension that stores everything"), ("restore", "return to an empty folder"), ("unchanged", "suspension that stores nothing new"),
    ];

    public string Name => "bucket-vs-folder";

    public string? Missing => S3rver.Obstacle;

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (S3rver.Obstacle is { } obstacle) throw new InvalidOperationException(obstacle);
        BucketCredentials.Use(); // the servers inherit them
        List<(string Suffix, string How, Series[] Times)> ways =
            [("", "by the gateway", NewSeries()), ("-straight", "by requests that the gateway signs, past it", NewSeries())];
        await using (var bucket = await S3rver.StartAsync())
        await using (var folder = await BenchStack.WithAgentsAsync(options, cancellationToken))
        await using (var through = await InBucketAsync(options, bucket, "through", "off", cancellationToken))
        await using (var straight = await InBucketAsync(options, bucket, "straight", "on", cancellationToken))
        {
            for (var round = -1; round < options.Rounds; round++)
            {
                var bytes = round < 0 ? Warm : options.Scale(MegaBytes) * 1_000_000L;
                var floors = await RoundAsync(folder, bytes, round, cancellationToken);
                foreach (var (stack, way) in new[] { through, straight }.Zip(ways))
                {
                    var took = await RoundAsync(stack, bytes, round, cancellationToken);
                    for (var step = 0; round >= 0 && step < Steps.Length; step++) way.Times[step].Add(took[step], floors[step]);
                }
            }
        }

        foreach (var (suffix, how, times) in ways)
        {
            for (var step = 0; step < Steps.Length; step++)
            {
                yield return times[step].ToFigure(
                    $"{Name}/{Steps[step].Name}{suffix}", "ms", null,
                    $"{Steps[step].What}, {options.Scale(MegaBytes)} MB of source files, packs go {how} to s3rver on the loopback; "
                    + "floor: the same with a folder");
            }
        }
    }

    /// <param name="direct">Whether packs go past the gateway: <c>on</c> or <c>off</c>.</param>
    private static Task<BenchStack> InBucketAsync(BenchOptions options, S3rver bucket, string prefix, string direct, CancellationToken cancellationToken) =>
        BenchStack.WithAgentsAsync(
            options, cancellationToken, "--chunk-store", $"s3://{S3rver.Bucket}/{prefix}", "--chunk-store-endpoint", bucket.Endpoint.ToString(),
            "--chunk-store-direct", direct);

    private static Series[] NewSeries() => [.. Steps.Select(_ => new Series())];

    /// <returns>Milliseconds of each step, by a client.</returns>
    private static async Task<double[]> RoundAsync(BenchStack stack, long bytes, int round, CancellationToken cancellationToken)
    {
        var session = await StoredSession.CreateAsync(stack, cancellationToken);
        SampleTree.SourceFiles(session.Workspace, bytes, round);
        await session.ResumeAsync("kept", cancellationToken);
        var first = await session.SuspendAsync(cancellationToken);
        session.ForgetFolders();
        var back = await session.ResumeAsync("restored", cancellationToken);
        var unchanged = await session.SuspendAsync(cancellationToken);
        await session.EndAsync(cancellationToken);
        return [first.Milliseconds, back.Milliseconds, unchanged.Milliseconds];
    }
}
