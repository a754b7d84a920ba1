using System.Globalization;
using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>What an agent and a session cost when nothing happens, and how soon an agent is there.</summary>
internal sealed class MemoryUse : IMeasurement
{
    private const int ClockTicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on

    public string Name => "memory";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (rss, start) = await AgentsAsync(options, cancellationToken);
        yield return new Figure(
            $"{Name}/agent-idle", Series.Median(rss) / 1e6, "MB", null, null, Goal.AtMost(30), $"median RSS of {rss.Count} agents, connected and idle for 3 s");
        yield return new Figure(
            $"{Name}/agent-start", Series.Median(start), "ms", null, null, Goal.AtMost(100),
            $"median of {start.Count}, one after the other: start of the process (kernel, 10 ms steps) to runner.connected in the log");

        var (active, suspended, count) = await SessionsAsync(options, cancellationToken);
        const string How = "growth of the server's RSS over that of a warm server, per session, both after a full collection that the bench asked for over the diagnostics port";
        yield return new Figure($"{Name}/session-active", active, "bytes", null, null, null, $"{count} idle sessions, each with a connected runner; {How}");
        yield return new Figure($"{Name}/session-suspended", suspended, "bytes", null, null, null, $"the same {count} sessions, suspended; {How}. What stays is what the allocator and the runtime keep");
    }

    private static async Task<(List<double> Rss, List<double> Start)> AgentsAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        List<double> rss = [], start = [];
        var agents = new List<int>();
        for (var n = -1; n < options.Scale(10); n++)
        {
            var session = await stack.Api.CreateSessionAsync("true");
            await stack.Api.PostAsync($"/api/v1/sessions/{session}/resume", null, cancellationToken);
            var view = await stack.Api.UntilAsync(session, v => v.GetProperty("status").GetString() == "active", cancellationToken);
            var pid = stack.RunnerPid(view.GetProperty("runner_id").GetString()!) ?? throw new InvalidOperationException("The agent has ended.");
            if (n < 0) continue;
            agents.Add(pid);
            var events = await stack.Api.GetAsync($"/api/v1/sessions/{session}/events?types=runner.connected", cancellationToken);
            start.Add((events.GetProperty("items")[0].GetProperty("time").GetDateTimeOffset() - StartOf(pid)).TotalMilliseconds);
        }

        await Task.Delay(TimeSpan.FromSeconds(3), cancellationToken);
        rss.AddRange(agents.Select(pid => (double)BenchStack.RssOf(pid)));
        return (rss, start);
    }

    private static async Task<(double Active, double Suspended, int Count)> SessionsAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        var warm = await OpenAsync(stack, 50, cancellationToken);
        var baseline = await stack.SettledRssAsync(cancellationToken);
        var count = options.Scale(500);
        var runners = await OpenAsync(stack, count, cancellationToken);
        var active = await stack.SettledRssAsync(cancellationToken) - baseline;

        await Parallel.ForEachAsync(runners, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken }, async (runner, token) =>
        {
            await stack.Api.PostAsync($"/api/v1/sessions/{runner.Session}/suspend", null, token);
            await stack.Api.UntilAsync(runner.Session, view => view.GetProperty("status").GetString() == "suspended", token);
            await runner.DisposeAsync();
        });
        // Releasing a runner waits for its process; the grains leave after that.
        await Task.Delay(TimeSpan.FromSeconds(options.Quick ? 2 : 15), cancellationToken);
        var suspended = await stack.SettledRssAsync(cancellationToken) - baseline;
        foreach (var runner in warm) await runner.DisposeAsync();
        return ((double)active / count, (double)suspended / count, count);
    }

    private static async Task<List<SyntheticRunner>> OpenAsync(BenchStack stack, int count, CancellationToken cancellationToken)
    {
        var runners = new List<SyntheticRunner>();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken }, async (_, token) =>
        {
            var runner = await SyntheticRunner.ConnectAsync(stack, await stack.Api.CreateSessionAsync("true"), token);
            lock (runners) runners.Add(runner);
        });
        return runners;
    }

    private static DateTimeOffset StartOf(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var ticks = long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19], CultureInfo.InvariantCulture);
        var uptime = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture);
        return TimeProvider.System.GetUtcNow() - TimeSpan.FromSeconds(uptime - (double)ticks / ClockTicksPerSecond);
    }
}
