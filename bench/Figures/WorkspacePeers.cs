using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Workspaces;

namespace Marionette.Bench.Figures;

/// <summary>First snapshot, snapshot after one file in a hundred changed, restore: the published agent against restic and borg, on the same tree, in turns.</summary>
/// <param name="kind"><c>files</c>, <c>git</c> or <c>binaries</c>.</param>
internal sealed class WorkspacePeers(string kind) : IMeasurement
{
    private static readonly string[] Steps = ["first", "changed", "restore"], Peers = ["restic", "borg"];

    public string Name => $"workspace-{kind}";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var root = Directory.CreateTempSubdirectory("marionette-bench-ws-").FullName;
        try
        {
            var tree = Path.Combine(root, "tree");
            await MakeAsync(tree, options, cancellationToken);
            var rounds = new List<Dictionary<string, (ProcessCost[] Costs, long[] Stored)>>();
            for (var round = 0; round < options.Rounds; round++)
            {
                var tools = new (string Name, Func<string, StoreTool> Make)[]
                {
                    ("restic", folder => new ResticStore(folder)), ("agent", folder => new AgentStore(folder, options.Artifacts)), ("borg", folder => new BorgStore(folder)),
                };
                await using var all = new Tools([.. tools.Select(tool => (tool.Name, tool.Make(Directory.CreateDirectory(Path.Combine(root, $"{tool.Name}-{round}")).FullName)))]);
                rounds.Add(await RoundAsync(all, root, tree, round, cancellationToken));
            }

            foreach (var figure in ToFigures(rounds)) yield return figure;
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private async Task MakeAsync(string tree, BenchOptions options, CancellationToken cancellationToken)
    {
        switch (kind)
        {
            case "files":
                SampleTree.SmallFiles(tree, options.Scale(500) * 1_000_000L);
                break;
            case "git":
                await SampleTree.GitAsync(tree, options.Repository, cancellationToken);
                break;
            default:
                SampleTree.Binaries(tree, 4, options.Scale(40) * 1_000_000);
                break;
        }
    }

    private static async Task<Dictionary<string, (ProcessCost[] Costs, long[] Stored)>> RoundAsync(Tools tools, string root, string tree, int round, CancellationToken cancellationToken)
    {
        var results = tools.All.ToDictionary(tool => tool.Name, _ => (Costs: new ProcessCost[Steps.Length], Stored: new long[Steps.Length]));
        foreach (var (_, tool) in tools.All) await tool.InitAsync(cancellationToken);
        for (var step = 0; step < Steps.Length; step++)
        {
            if (step == 1) SampleTree.Touch(tree, round);
            foreach (var (name, tool) in tools.All)
            {
                var target = Path.Combine(root, $"restored-{name}");
                results[name].Costs[step] = step == 2 ? await tool.RestoreAsync(target, cancellationToken) : await tool.SnapshotAsync(tree, cancellationToken);
                results[name].Stored[step] = tool.StoredBytes();
                if (step == 2) Directory.Delete(target, recursive: true);
            }
        }

        return results;
    }

    private IEnumerable<Figure> ToFigures(List<Dictionary<string, (ProcessCost[] Costs, long[] Stored)>> rounds)
    {
        for (var step = 0; step < Steps.Length; step++)
        {
            var at = step;
            yield return Best($"{Name}/{Steps[at]}", "s", tool => tool.Costs[at].Seconds, Goal.RatioAtMost(1), "wall; floor: the faster of restic and borg");
            yield return Best($"{Name}/{Steps[at]}-cpu", "s", tool => tool.Costs[at].CpuSeconds, null, "processor time; floor: the lesser of restic and borg");
            yield return Against($"{Name}/{Steps[at]}-memory", tool => tool.Costs[at].PeakBytes / 1e6);
            if (at < 2)
                yield return Best($"{Name}/{Steps[at]}-stored", "MB", tool => (tool.Stored[at] - (at == 0 ? 0 : tool.Stored[at - 1])) / 1e6, Goal.RatioAtMost(1), "added to the store; floor: the lesser of restic and borg");
        }

        Figure Best(string name, string unit, Func<(ProcessCost[] Costs, long[] Stored), double> value, Goal? goal, string note)
        {
            var series = new Series();
            foreach (var round in rounds) series.Add(value(round["agent"]), Math.Min(value(round["restic"]), value(round["borg"])));
            return series.ToFigure(name, unit, goal, $"{note}: {string.Join(", ", Peers.Select(peer => $"{peer} {Series.Median([.. rounds.Select(round => value(round[peer]))]):0.##}"))}");
        }

        Figure Against(string name, Func<(ProcessCost[] Costs, long[] Stored), double> value)
        {
            var series = new Series();
            foreach (var round in rounds) series.Add(value(round["agent"]), value(round["restic"]));
            return series.ToFigure(name, "MB", Goal.RatioAtMost(0.5), "most memory that was resident; floor: restic");
        }
    }

    private sealed class Tools((string Name, StoreTool Tool)[] all) : IAsyncDisposable
    {
        public (string Name, StoreTool Tool)[] All => all;

        public async ValueTask DisposeAsync()
        {
            foreach (var (_, tool) in all) await tool.DisposeAsync();
        }
    }
}
