using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>From the creation of a session to its agent's connection, with runners that are processes.</summary>
internal sealed class StartProcess : IMeasurement
{
    public string Name => "start-process";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        await using var server = await HelloServer.StartAsync(cancellationToken);
        Series starts = new();
        for (var n = -1; n < options.Scale(50); n++)
        {
            var bare = await BareAgent.ToHelloAsync(options, server, within: null, cancellationToken);
            var took = await SessionAsync(stack, cancellationToken);
            if (n >= 0) starts.Add(took, bare);
        }

        const string How = "creation of a session by a client to runner.connected in its log, one after the other; floor: the bare agent, started by hand, to its hello";
        foreach (var figure in starts.ToPercentiles(Name, "ms", How)) yield return figure;
    }

    private static async Task<double> SessionAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetUtcNow();
        var start = await SessionStart.RunAsync(stack.Api, profile: null, cancellationToken);
        return (start.Connected - began).TotalMilliseconds;
    }
}
