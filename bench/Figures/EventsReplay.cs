using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Clients;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;
using Npgsql;

namespace Marionette.Bench.Figures;

/// <summary>Stored events to one SSE client, against reading the same rows with the driver alone.</summary>
internal sealed class EventsReplay : IMeasurement
{
    public string Name => "events-replay";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithStandInsAsync(options, cancellationToken);
        await using var lane = await Lane.OpenAsync(stack, cancellationToken);
        await lane.SendAsync(options.Scale(100_000), cancellationToken);
        await lane.SettledAsync(cancellationToken);
        var head = await lane.HeadAsync(cancellationToken);
        var series = new Series();
        for (var round = -1; round < options.Rounds; round++)
        {
            var floor = await SelectAsync(stack.Database, lane.Session, head, cancellationToken);
            var value = await ReplayAsync(stack, lane.Session, head, cancellationToken);
            if (round >= 0) series.Add(value, floor); // the first one warms up
        }

        yield return series.ToFigure(
            Name, "events/s", null, $"{head:#,0} stored events of {Payload.Bytes} B to one client; floor: one select of the same rows through Npgsql, without a frame or a socket to a client");
    }

    private static async Task<double> ReplayAsync(BenchStack stack, string session, long head, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        await new SseClient(stack.Api.Http, $"/api/v1/sessions/{session}/events?after=0").ReadToAsync(head, 0, cancellationToken);
        return head / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task<double> SelectAsync(NpgsqlDataSource database, string session, long head, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        await using var command = database.CreateCommand("select seq, type, task, run, at, payload from session_event where session = $1 and seq > $2 order by seq");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = session });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = 0 });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        long read = 0, bytes = 0;
        while (await row.ReadAsync(cancellationToken))
        {
            read++;
            bytes += row.GetInt64(0) + row.GetString(1).Length + (row.IsDBNull(2) ? 0 : row.GetString(2).Length) + (row.IsDBNull(3) ? 0 : row.GetString(3).Length)
                + row.GetDateTime(4).Second + row.GetFieldValue<byte[]>(5).Length;
        }

        if (read != head || bytes == 0) throw new InvalidDataException($"{read} of {head} events are stored.");
        return head / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
