using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Clients;
using Marionette.Bench.Floors;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>One session's events to many SSE clients, against a bare SSE server with a bounded channel per client.</summary>
internal sealed class EventsFanOut : IMeasurement
{
    private const int Clients = 200;

    public string Name => "events-fanout";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var events = options.Scale(5_000);
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        await using var lane = await Lane.OpenAsync(stack, cancellationToken);
        await using var floor = await FloorProcess.StartAsync(stack, cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(floor.Url) };
        var series = new Series();
        for (var round = -1; round < options.Rounds; round++)
        {
            var bare = await MeasureAsync(
                http, "/stream", 0, events, () => http.PostAsync($"/publish/{events}", new ByteArrayContent(Payload.Json), cancellationToken), cancellationToken);
            var head = await lane.HeadAsync(cancellationToken);
            var path = $"/api/v1/sessions/{lane.Session}/events?after={head}";
            var value = await MeasureAsync(stack.Api.Http, path, head, events, () => lane.SendAsync(events, cancellationToken), cancellationToken);
            if (round >= 0) series.Add(value, bare);
        }

        yield return series.ToFigure(
            Name, "deliveries/s", Goal.RatioAtLeast(0.5),
            $"{Clients} clients, {events:#,0} events, from the first one sent by the runner, each committed before it is delivered; floor: no envelope, no store. Limit: the clients' own CPU");
    }

    private static async Task<double> MeasureAsync(HttpClient http, string path, long head, int events, Func<Task> publish, CancellationToken cancellationToken)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var clients = Enumerable.Range(0, Clients).Select(_ => new SseClient(http, path)).ToArray();
        var reading = clients.Select(client => Task.Run(() => client.ReadToAsync(head + events, head, done.Token), cancellationToken)).ToArray();
        await Task.WhenAll(clients.Select(client => client.Opened)).WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
        var began = Stopwatch.GetTimestamp();
        await publish();
        await Task.WhenAll(reading).WaitAsync(TimeSpan.FromMinutes(2), cancellationToken);
        return Clients * (double)events / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
