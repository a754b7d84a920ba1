using System.Collections.Immutable;
using Marionette.Sessions;
using Npgsql;

namespace Marionette.Log;

/// <summary>The session log in PostgreSQL.</summary>
internal sealed class PostgresSessionLog(NpgsqlDataSource source, GroupCommitter committer) : ISessionLog
{
    public Task<bool> AppendAsync(LogBatch batch) => committer.AppendAsync(batch);

    public async Task<ImmutableArray<LoggedEvent>> ReadAsync(string session, long after, int limit, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(
            "select seq, type, task, run, source, at, payload from session_event where session = $1 and seq > $2 order by seq limit $3");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = session });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        var events = ImmutableArray.CreateBuilder<LoggedEvent>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            events.Add(new LoggedEvent(
                reader.GetInt64(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetString(2),
                reader.IsDBNull(3) ? null : reader.GetString(3), reader.GetInt64(4), reader.GetFieldValue<DateTimeOffset>(5),
                reader.GetFieldValue<byte[]>(6)));
        }

        return events.ToImmutable();
    }

    public async Task<byte[]?> ReadRowAsync(string type, string key, CancellationToken cancellationToken) =>
        (await ReadRowsAsync(type, [key], cancellationToken)).GetValueOrDefault(key);

    public async Task<IReadOnlyDictionary<string, byte[]>> ReadRowsAsync(
        string type, IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(
            "select grain_key, convert_to(state::text, 'UTF8') from grain_state where grain_type = $1 and grain_key = any($2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = type });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = keys.ToArray() });
        var rows = new Dictionary<string, byte[]>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken)) rows[reader.GetString(0)] = reader.GetFieldValue<byte[]>(1);
        return rows;
    }
}
