using System.Runtime.CompilerServices;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>From a session's order to its agent's connection, with runners in sandboxes on a pool's host.</summary>
internal sealed class StartPool : IMeasurement
{
    private readonly string _kind;
    private readonly IBareSandbox _bare;

    private StartPool(string name, string kind, IBareSandbox bare) => (Name, _kind, _bare) = (name, kind, bare);

    public string Name { get; }

    /// <summary>gVisor is no package of every distribution: without it the figure is left out, and nothing is wrong.</summary>
    public string? Missing => _kind == "runsc" ? PoolStack.Hindrance(_kind) : null;

    public static StartPool Bwrap() => new("start-pool-bwrap", "bwrap", new BareBwrap());

    public static StartPool Gvisor() => new("start-pool-gvisor", "runsc", new BareRunsc());

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await PoolStack.StartAsync(options, _kind, cancellationToken);
        await using var server = await HelloServer.StartAsync(cancellationToken);
        Series starts = new();
        for (var n = -1; n < options.Scale(50); n++)
        {
            var bare = await BareAgent.ToHelloAsync(options, server, _bare, cancellationToken);
            var start = await stack.RunAsync(cancellationToken);
            if (n >= 0) starts.Add((start.Connected - start.Ordered).TotalMilliseconds, bare);
        }

        var how = $"runner.assigned to runner.connected in a session's log: placement, order to the host, two disks of its own, sandbox, network policy, limits, agent; one after the other. "
            + $"Floor: a bare {_kind} with the same namespaces, user and root, "
            + "in the machine's network, without limits and disks, to the same agent's hello";
        foreach (var figure in starts.ToPercentiles(Name, "ms", how)) yield return figure;
    }
}
