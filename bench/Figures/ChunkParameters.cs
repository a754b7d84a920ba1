using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Workspaces;
using Marionette.Workspaces;

namespace Marionette.Bench.Figures;

/// <summary>What other sizes of chunks would store of two versions of a folder, and in what time: the study of the format's sizes (ADR 4).</summary>
/// <param name="kind"><c>packages</c>, <c>git</c>, <c>build</c> or <c>shifted</c>.</param>
internal sealed class ChunkParameters(string kind) : IMeasurement
{
    /// <summary>Bits of the usual size: 64 KiB to 2 MiB. Minimum and maximum are a quarter and four times of it, as the format's are.</summary>
    private const int FewestBits = 16, MostBits = 21;

    /// <summary>Of a row of the gateways' index.</summary>
    private const int IndexBytes = 140;

    public string Name => $"chunk-parameters/{kind}";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var root = Directory.CreateTempSubdirectory("marionette-bench-ws-").FullName;
        var rounds = new List<Dictionary<int, ChunkCost>>();
        try
        {
            var (before, after) = (Path.Combine(root, "before"), Path.Combine(root, "after"));
            await MakeAsync(before, after, options, cancellationToken);
            await ChunkCost.MeasureAsync(before, after, ChunkSizes.Default, cancellationToken); // to warm up
            for (var round = 0; round < options.Rounds; round++)
            {
                var costs = new Dictionary<int, ChunkCost>();
                for (var bits = FewestBits; bits <= MostBits; bits++)
                    costs[bits] = await ChunkCost.MeasureAsync(before, after, SizesOf(bits), cancellationToken);
                rounds.Add(costs);
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }

        for (var bits = FewestBits; bits <= MostBits; bits++)
        {
            var name = $"{Name}/{(bits < 20 ? $"{1 << (bits - 10)}k" : $"{1 << (bits - 20)}m")}";
            var chunks = Series.Median([.. rounds.Select(round => (double)round[bits].Chunks)]);
            var index = $"both have {chunks:#,0} chunks, {chunks * IndexBytes / 1e6:0.0} MB in the gateways' index";
            yield return Against(name, bits, "MB", cost => cost.First / 1e6, $"first version, stored; {index}");
            yield return Against($"{name}-again", bits, "MB", cost => cost.Again / 1e6, "second version, added");
            yield return Against($"{name}-time", bits, "s", cost => cost.FirstSeconds + cost.AgainSeconds, "both snapshots, every file read");
        }

        Figure Against(string name, int bits, string unit, Func<ChunkCost, double> value, string note)
        {
            var series = new Series();
            foreach (var round in rounds) series.Add(value(round[bits]), value(round[ChunkSizes.Default.AverageBits]));
            return series.ToFigure(name, unit, null, $"{note}; floor: the format's sizes");
        }
    }

    private static ChunkSizes SizesOf(int bits) => new(1 << (bits - 2), bits, 1 << (bits + 2));

    private Task MakeAsync(string before, string after, BenchOptions options, CancellationToken cancellationToken)
    {
        switch (kind)
        {
            case "packages":
                VersionedTree.Packages(before, after, options.Packages, options.Scale(300) * 1_000_000L);
                return Task.CompletedTask;
            case "git":
                return VersionedTree.GitAsync(before, after, options.Repository, cancellationToken);
            case "build":
                return VersionedTree.BuildAsync(before, after, options.Repository, cancellationToken);
            default:
                SampleTree.Shifted(before, after, 4, options.Scale(40) * 1_000_000);
                return Task.CompletedTask;
        }
    }
}
