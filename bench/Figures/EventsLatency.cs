using System.Diagnostics;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Net.Client;
using Marionette.Bench.Clients;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;
using Marionette.Protocol.V1;

namespace Marionette.Bench.Figures;

/// <summary>
/// From the agent program's print to the SSE client, at 100 lines a second through the real agent, against one gRPC message that is answered after
/// one committed insert.
/// </summary>
internal sealed class EventsLatency : IMeasurement
{
    internal const int PerSecond = 100;

    public string Name => "events-latency";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var count = options.Scale(500);
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        await using var floor = await FloorProcess.StartAsync(stack, cancellationToken);
        var session = await stack.Api.CreateSessionAsync(Environment.ProcessPath!, Ticker.Verb, $"{PerSecond}", $"{count}");
        Series p50 = new(), p99 = new();
        for (var round = -1; round < options.Rounds; round++)
        {
            var bare = await HopsAsync(floor, count, cancellationToken);
            var real = await LinesAsync(stack, session, count, cancellationToken);
            if (round < 0) continue;
            p50.Add(Series.Percentile(real, 0.5), Series.Percentile(bare, 0.5));
            p99.Add(Series.Percentile(real, 0.99), Series.Percentile(bare, 0.99));
        }

        const string What = "print in the agent's child to SSE client, 100 lines/s; floor: one gRPC message there and back with one committed insert. "
            + "On the way: pipe, spool, gRPC, grain, commit, SSE: five processes to wake, and the scheduler of a busy machine decides";
        yield return p50.ToFigure($"{Name}/p50", "ms", Goal.RatioAtMost(2), What);
        yield return p99.ToFigure($"{Name}/p99", "ms", null, What);
    }

    /// <summary>Milliseconds from print to client, of each line.</summary>
    internal static async Task<List<double>> LinesAsync(BenchStack stack, string session, int count, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var head = (await stack.Api.GetAsync($"/api/v1/sessions/{session}", cancellationToken)).GetProperty("last_seq").GetInt64();
        var latencies = new List<double>(count);
        var client = new SseClient(stack.Api.Http, $"/api/v1/sessions/{session}/events?after={head}")
        {
            OnData = line =>
            {
                var now = Stopwatch.GetTimestamp();
                if (!Ticker.TryRead(line, out var printed)) return;
                latencies.Add((now - printed) * 1000.0 / Stopwatch.Frequency);
                if (latencies.Count == count) enough.CancelAfter(TimeSpan.FromMilliseconds(1));
            },
        };
        await client.ReadTaskAsync(stack, session, head, enough, cancellationToken);
        return latencies;
    }

    private static async Task<List<double>> HopsAsync(FloorProcess floor, int count, CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(floor.GrpcUrl);
        using var call = new RunnerGateway.RunnerGatewayClient(channel).Connect(cancellationToken: cancellationToken);
        var payload = UnsafeByteOperations.UnsafeWrap(Payload.Json);
        var latencies = new List<double>(count);
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / PerSecond));
        for (var n = 1; n <= count; n++)
        {
            await pace.WaitForNextTickAsync(cancellationToken);
            var began = Stopwatch.GetTimestamp();
            await call.RequestStream.WriteAsync(new RunnerMessage { Events = new EventBatch { First = n, Events = { new Event { Data = payload } } } }, cancellationToken);
            await call.ResponseStream.MoveNext(cancellationToken);
            latencies.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        await call.RequestStream.CompleteAsync();
        return latencies;
    }
}
