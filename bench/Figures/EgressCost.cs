using System.Globalization;
using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>What the network policy costs a runner: bytes and connections through netd against a plain link, and the time to attach one.</summary>
internal sealed class EgressCost : IMeasurement
{
    private const long Transfer = 1_000_000_000;

    public string Name => "egress";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (EgressStack.Hindrance is { } hindrance) throw new InvalidOperationException(hindrance);
        await using var stack = await EgressStack.StartAsync(options, cancellationToken);
        var bytes = (long)options.Scale((int)Transfer);
        Series throughput = new(), connect = new();
        var cpu = TimeSpan.Zero;
        for (var round = -1; round < options.Rounds; round++)
        {
            var bare = await stack.MeasureAsync(behindNetd: false, "get", bytes);
            var before = stack.NetdCpu();
            var value = await stack.MeasureAsync(behindNetd: true, "get", bytes);
            if (round < 0) continue;
            cpu += stack.NetdCpu() - before;
            throughput.Add(value / 1e6, bare / 1e6);
            connect.Add(await stack.MeasureAsync(behindNetd: true, "dial", options.Scale(1000)), await stack.MeasureAsync(behindNetd: false, "dial", options.Scale(1000)));
        }

        var perGigabyte = (cpu.TotalSeconds / (options.Rounds * bytes / 1e9)).ToString("0.00", CultureInfo.InvariantCulture);
        yield return throughput.ToFigure($"{Name}/throughput", "MB/s", null, $"one connection, {bytes / 1e6:0} MB to the runner through netd; floor: a plain link. netd's CPU: {perGigabyte} s/GB");
        yield return connect.ToFigure($"{Name}/connect-p50", "ms", null, "connect, 8 bytes there, 1 back, one after the other, to an address; floor: a plain link");
        var attach = new List<double>();
        for (var i = 0; i < options.Scale(50); i++) attach.Add(await stack.MeasureAttachAsync(cancellationToken));
        yield return new Figure($"{Name}/attach-p50", Series.Median(attach), "ms", null, null, Goal.AtMost(30), $"a namespace gets its network, request to answer, one after the other; p99 {Series.Percentile(attach, 0.99).ToString("0.0", CultureInfo.InvariantCulture)} ms");
    }
}
