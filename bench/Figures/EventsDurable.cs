using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Clients;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>Events a second from runners through gateway, grain and PostgreSQL to SSE clients, against a bare COPY of the same rows.</summary>
internal sealed class EventsDurable : IMeasurement
{
    public string Name => "events-durable";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        foreach (var (sessions, eventsEach) in new[] { (1, options.Scale(100_000)), (50, options.Scale(4_000)) })
        {
            var lanes = await Task.WhenAll(Enumerable.Range(0, sessions).Select(_ => Lane.OpenAsync(stack, cancellationToken)));
            var floor = new CopyFloor(stack.Database);
            for (var warm = 0; warm < (options.Quick ? 1 : 2); warm++)
            {
                await RoundAsync(lanes, eventsEach, cancellationToken);
                await floor.MeasureAsync(sessions, eventsEach, Payload.Json, cancellationToken);
            }

            var series = new Series();
            var cpu = stack.NewCpuMeter();
            for (var round = 0; round < options.Rounds; round++)
            {
                var bare = await floor.MeasureAsync(sessions, eventsEach, Payload.Json, cancellationToken);
                cpu.Start();
                var value = await RoundAsync(lanes, eventsEach, cancellationToken);
                cpu.Stop(sessions * (double)eventsEach);
                series.Add(value, bare);
            }

            foreach (var lane in lanes) await lane.DisposeAsync();
            yield return series.ToFigure(
                $"{Name}/{sessions}", "events/s", Goal.RatioAtLeast(0.5),
                $"{sessions} session(s), {Payload.Bytes} B, sent to received by SSE, all committed; floor: binary COPY, 5,000 rows a commit. {cpu.PerUnit("event")}");
        }
    }

    private static async Task<double> RoundAsync(Lane[] lanes, int eventsEach, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(lanes.Select(lane => Task.Run(() => lane.CarryAsync(eventsEach, cancellationToken), cancellationToken)));
        return lanes.Length * (double)eventsEach / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}

/// <summary>One session with a runner at its one end and an SSE client at the other.</summary>
internal sealed class Lane : IAsyncDisposable
{
    private readonly BenchStack _stack;
    private readonly SyntheticRunner _runner;
    private readonly string _run;

    private Lane(BenchStack stack, SyntheticRunner runner, string run) => (_stack, _runner, _run) = (stack, runner, run);

    public string Session => _runner.Session;

    public static async Task<Lane> OpenAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var session = await stack.Api.CreateSessionAsync("true");
        var runner = await SyntheticRunner.ConnectAsync(stack, session, cancellationToken);
        var run = await runner.StartRunAsync(stack, cancellationToken);
        await runner.SettledAsync(cancellationToken);
        return new Lane(stack, runner, run);
    }

    /// <summary>Seq of the newest event.</summary>
    public async Task<long> HeadAsync(CancellationToken cancellationToken) =>
        (await _stack.Api.GetAsync($"/api/v1/sessions/{Session}", cancellationToken)).GetProperty("last_seq").GetInt64();

    /// <summary>Sends events, and returns when a live SSE client has them all.</summary>
    public async Task CarryAsync(int events, CancellationToken cancellationToken)
    {
        var head = await HeadAsync(cancellationToken);
        var client = new SseClient(_stack.Api.Http, $"/api/v1/sessions/{Session}/events?after={head}");
        var reading = client.ReadToAsync(head + events, head, cancellationToken);
        await Task.WhenAny(client.Opened, reading);
        await Task.WhenAll(SendAsync(events, cancellationToken), reading).WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);
    }

    public async Task SendAsync(int events, CancellationToken cancellationToken)
    {
        for (var sent = 0; sent < events; sent += Payload.EventsPerMessage)
        {
            var batch = new Protocol.V1.Event[Math.Min(Payload.EventsPerMessage, events - sent)];
            Array.Fill(batch, Payload.Event(_run));
            await _runner.SendAsync(batch, cancellationToken);
        }
    }

    public Task SettledAsync(CancellationToken cancellationToken) => _runner.SettledAsync(cancellationToken);

    public ValueTask DisposeAsync() => _runner.DisposeAsync();
}
