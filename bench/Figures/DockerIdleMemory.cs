using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>What an idle runner takes beyond a container of the same image that sleeps.</summary>
internal sealed class DockerIdleMemory : IMeasurement
{
    public string Name => "docker-idle-memory";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await DockerStack.StartAsync(cancellationToken);
        var specs = Enumerable.Range(0, options.Scale(10)).Select(_ => stack.NewSpec()).ToList();
        foreach (var spec in specs) await stack.StartAsync(spec, cancellationToken);
        var bare = await stack.StartBareAsync(cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(3), cancellationToken); // idle is what is measured
        var empty = await stack.MemoryOfAsync(bare.Id, cancellationToken);
        var beyond = new List<double>();
        foreach (var spec in specs) beyond.Add(await stack.MemoryOfAsync(DockerStack.ContainerOf(spec), cancellationToken) - empty);
        yield return new Figure(
            Name, Series.Median(beyond) / 1e6, "MB", null, null, Goal.AtMost(15),
            $"median RSS of {specs.Count} runners' processes, connected and idle for 3 s, less that of a sleeping container ({empty / 1e6:0.0} MB)");
    }
}
