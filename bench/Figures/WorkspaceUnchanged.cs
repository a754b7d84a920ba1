using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Workspaces;

namespace Marionette.Bench.Figures;

/// <summary>A snapshot of 100,000 files of which none has changed, against a bare walk that asks for every file's state.</summary>
internal sealed class WorkspaceUnchanged : IMeasurement
{
    public string Name => "workspace-unchanged";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var root = Directory.CreateTempSubdirectory("marionette-bench-ws-").FullName;
        try
        {
            var tree = Path.Combine(root, "tree");
            SampleTree.Flat(tree, options.Scale(100_000));
            var agent = new AgentStore(Directory.CreateDirectory(Path.Combine(root, "agent")).FullName, options.Artifacts);
            await agent.InitAsync(cancellationToken);
            await agent.SnapshotAsync(tree, cancellationToken);
            var series = new Series();
            for (var round = -1; round < options.Rounds * 3; round++)
            {
                // find asks with lstat for what it is to compare, here a size that no file has.
                var floor = await ProcessCost.RunAsync("find", [tree, "-size", "+1000000k"], new Dictionary<string, string>(), root, cancellationToken);
                var value = await agent.SnapshotAsync(tree, cancellationToken);
                if (round >= 0) series.Add(value.Seconds * 1000, floor.Seconds * 1000);
            }

            yield return series.ToFigure(Name, "ms", Goal.RatioAtMost(1.2), "whole process, durable record included; floor: find, asking for each file's size");
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
