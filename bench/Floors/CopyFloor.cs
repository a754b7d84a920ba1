using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Bench.Floors;

/// <summary>The fastest way of rows into PostgreSQL: binary COPY into a fresh table of the log's shape, primary key included.</summary>
internal sealed class CopyFloor(NpgsqlDataSource database)
{
    /// <summary>Rows of one COPY, which is one commit.</summary>
    private const int RowsPerCommit = 5_000;

    /// <returns>Rows per second.</returns>
    public async Task<double> MeasureAsync(int sessions, int eventsEach, byte[] payload, CancellationToken cancellationToken)
    {
        await ExecuteAsync("drop table if exists bench_copy", cancellationToken);
        // "including all" brings the primary key (session, seq) and the compression of the payload.
        await ExecuteAsync("create table bench_copy (like session_event including all)", cancellationToken);
        var names = Enumerable.Range(0, sessions).Select(n => $"sess_0VPq3kZ2bench{n:000000000000}").ToArray();
        // As many writers as the server has commits under way.
        var halves = sessions == 1 ? [names] : new[] { names[..(sessions / 2)], names[(sessions / 2)..] };
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(halves.Select(half => Task.Run(() => WriteAsync(half, eventsEach, payload, cancellationToken), cancellationToken)));
        var took = Stopwatch.GetElapsedTime(began);
        await ExecuteAsync("drop table bench_copy", cancellationToken);
        return sessions * (double)eventsEach / took.TotalSeconds;
    }

    private async Task WriteAsync(string[] sessions, int eventsEach, byte[] payload, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        var at = TimeProvider.System.GetUtcNow().UtcDateTime;
        foreach (var session in sessions)
        {
            for (var from = 0; from < eventsEach; from += RowsPerCommit)
            {
                await using var copy = await connection.BeginBinaryImportAsync(
                    "copy bench_copy (tenant, session, seq, type, task, run, source, at, payload) from stdin binary", cancellationToken);
                for (var n = from + 1; n <= Math.Min(from + RowsPerCommit, eventsEach); n++) Write(copy, session, n, at, payload);
                await copy.CompleteAsync(cancellationToken);
            }
        }
    }

    private static void Write(NpgsqlBinaryImporter copy, string session, long seq, DateTime at, byte[] payload)
    {
        copy.StartRow();
        copy.Write("default", NpgsqlDbType.Text);
        copy.Write(session, NpgsqlDbType.Text);
        copy.Write(seq, NpgsqlDbType.Bigint);
        copy.Write("text.delta", NpgsqlDbType.Text);
        copy.Write("task_0VPq3kZ2bench000000000", NpgsqlDbType.Text);
        copy.Write("trun_0VPq3kZ2bench000000000", NpgsqlDbType.Text);
        copy.Write(seq, NpgsqlDbType.Bigint);
        copy.Write(at, NpgsqlDbType.TimestampTz);
        copy.Write(payload, NpgsqlDbType.Bytea);
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
