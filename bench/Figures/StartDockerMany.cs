using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;
using Marionette.Providers;

namespace Marionette.Bench.Figures;

/// <summary>Many runners ordered at once: until the last agent has said hello.</summary>
internal sealed class StartDockerMany(int count) : IMeasurement
{
    /// <summary>Orders under way at once, there and in the shell's loop.</summary>
    private const int AtOnce = 16;

    public string Name => $"start-docker-{count}";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await DockerStack.StartAsync(cancellationToken);
        var amount = options.Scale(count);
        var limit = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        Series makespan = new();
        for (var round = 0; round < options.Rounds; round++)
        {
            var bare = await stack.StartManyBareAsync(amount, AtOnce, cancellationToken);
            await stack.RemoveBareAsync(bare.Ids);
            var specs = Enumerable.Range(0, amount).Select(_ => stack.NewSpec()).ToList();
            var began = Stopwatch.GetTimestamp();
            await Parallel.ForEachAsync(specs, limit, async (RunnerSpec spec, CancellationToken token) => await stack.StartAsync(spec, token));
            makespan.Add(Stopwatch.GetElapsedTime(began).TotalSeconds, bare.Took / 1000);
            await Parallel.ForEachAsync(specs, limit, async (spec, _) => await stack.ReleaseAsync(spec));
        }

        yield return makespan.ToFigure(
            Name, "s", null, $"{amount} runners, {AtOnce} orders under way at once, until the last agent's hello; floor: a shell's loop of docker run, as many at once");
    }
}
