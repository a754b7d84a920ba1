using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.Bench.Clients;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>
/// From the agent's question over the event at the client, the client's answer, and back into the agent, against twice the way of one event from the
/// agent to a client.
/// </summary>
internal sealed class PermissionRoundTrip : IMeasurement
{
    public string Name => "permission";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (questions, lines) = (options.Scale(200), options.Scale(300));
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        var asking = (await stack.Api.PostAsync(
            "/api/v1/sessions",
            new { agent = "command", command = new[] { Environment.ProcessPath!, "asker", $"{questions}" }, options = new { protocol = "lines" } },
            cancellationToken)).GetProperty("id").GetString()!;
        var telling = await stack.Api.CreateSessionAsync(Environment.ProcessPath!, Ticker.Verb, $"{EventsLatency.PerSecond}", $"{lines}");
        Series p50 = new(), p99 = new();
        for (var round = -1; round < options.Rounds; round++)
        {
            var oneWay = await EventsLatency.LinesAsync(stack, telling, lines, cancellationToken);
            var trips = await TripsAsync(stack, asking, questions, cancellationToken);
            if (round < 0) continue;
            p50.Add(Series.Percentile(trips, 0.5), 2 * Series.Percentile(oneWay, 0.5));
            p99.Add(Series.Percentile(trips, 0.99), 2 * Series.Percentile(oneWay, 0.99));
        }

        const string What = "the agent's question to the answer in its input: event to the client by SSE, POST approve, two commits, command to the runner; floor: twice one event's way from print to client";
        yield return p50.ToFigure($"{Name}/p50", "ms", Goal.RatioAtMost(2), What);
        yield return p99.ToFigure($"{Name}/p99", "ms", null, What);
    }

    private static async Task<List<double>> TripsAsync(BenchStack stack, string session, int questions, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var head = (await stack.Api.GetAsync($"/api/v1/sessions/{session}", cancellationToken)).GetProperty("last_seq").GetInt64();
        var trips = new List<double>(questions);
        var client = new SseClient(stack.Api.Http, $"/api/v1/sessions/{session}/events?after={head}")
        {
            OnData = line =>
            {
                if (line.IndexOf("permission.requested"u8) < 0 && line.IndexOf("waited "u8) < 0) return;
                var reader = new Utf8JsonReader(line);
                using var document = JsonDocument.ParseValue(ref reader);
                var data = document.RootElement.GetProperty("data");
                if (data.TryGetProperty("permission_id", out var id)) _ = stack.Api.PostAsync($"/api/v1/permissions/{id.GetString()}/approve", null, cancellationToken);
                else if (data.TryGetProperty("text", out var text)) trips.Add(double.Parse(text.GetString()!.AsSpan(7), CultureInfo.InvariantCulture));
                if (trips.Count == questions) enough.CancelAfter(TimeSpan.FromMilliseconds(1));
            },
        };
        await client.ReadTaskAsync(stack, session, head, enough, cancellationToken);
        return trips;
    }
}
