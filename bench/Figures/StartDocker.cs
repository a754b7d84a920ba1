using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>From the order to the agent's hello: a new container, or the claim of one that waits.</summary>
internal sealed class StartDocker(bool warm) : IMeasurement
{
    public string Name => warm ? "start-docker-warm" : "start-docker-cold";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await DockerStack.StartAsync(cancellationToken);
        Series starts = new();
        for (var i = 0; i < options.Scale(50); i++)
        {
            var slot = warm ? $"warm_{i:d16}" : null;
            if (slot is not null) await stack.WarmAsync(slot, cancellationToken);
            var bare = await stack.StartBareAsync(cancellationToken);
            await stack.RemoveBareAsync([bare.Id]);
            var spec = stack.NewSpec(slot);
            starts.Add(await stack.StartAsync(spec, cancellationToken), bare.Took);
            await stack.ReleaseAsync(spec);
        }

        var what = warm ? "claim of a warm slot to the agent's hello" : "order of a runner to the agent's hello, network policy included";
        foreach (var figure in starts.ToPercentiles(Name, "ms", $"{what}, one after the other; floor: docker run --detach of the same image, until the command says that it runs"))
            yield return figure;
    }
}
