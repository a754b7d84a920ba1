using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Streams;

/// <summary>The log in PostgreSQL. A page has at most 1000 events and, but for a single larger one, 1 MiB of payload.</summary>
internal sealed class EventStore(NpgsqlDataSource database) : IEventStore
{
    public const int PageEvents = 1000;
    private const int PageBytes = 1024 * 1024;

    public async Task<long?> HeadAsync(string tenant, string session, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select head from marionette.session_head where session = $1 and tenant = $2");
        command.Parameters.Add(new() { Value = session });
        command.Parameters.Add(new() { Value = tenant });
        return (long?)await command.ExecuteScalarAsync(cancellationToken);
    }

    // octet_length reads a stored payload's length without fetching the payload itself.
    private const string SessionPage =
        """
        select seq, type, task, run, at, case when size <= $4 then payload end, size, available from (
          select *, sum(size) over (order by seq) - size as bytes_before, count(*) over () as available from (
            select seq, type, task, run, at, payload, octet_length(payload) as size from marionette.session_event
             where session = $1 and tenant = $2 and seq > $3 {0} order by seq limit $5) as page) as sized
         where bytes_before < $6 order by seq
        """;

    private static readonly string WholePage = SessionPage.Replace("{0}", "", StringComparison.Ordinal);
    private static readonly string SelectedPage = SessionPage.Replace(
        "{0}", "and ($7::text[] is null or type like any ($7)) and ($8::text is null or task = $8)", StringComparison.Ordinal);

    public async Task<List<EventBlock>> ReadSessionAsync(string tenant, string session, long after, CancellationToken cancellationToken)
    {
        await using var command = SessionCommand(WholePage, tenant, session, after, PageEvents);
        var (events, _) = await ReadAsync(command, session, cancellationToken);
        return EventBlockBuilder.BuildLog(StreamPosition.OfSeq(after), events);
    }

    public async Task<EventPage> ReadSelectionAsync(
        string tenant, string session, long after, int limit, TypeFilter filter, string? task, CancellationToken cancellationToken)
    {
        await using var command = SessionCommand(SelectedPage, tenant, session, after, limit + 1);
        command.Parameters.Add(new() { Value = filter.IsOpen ? DBNull.Value : filter.LikePatterns, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)task ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        var (events, available) = await ReadAsync(command, session, cancellationToken);
        if (events.Count > limit) events.RemoveRange(limit, events.Count - limit);
        return new(EventBlockBuilder.BuildSelection(StreamPosition.OfSeq(after), events), available > events.Count);
    }

    public async Task<long> CountAsync(string tenant, string session, TypeFilter filter, string? task, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            select count(*) from marionette.session_event
             where session = $1 and tenant = $2 and ($3::text[] is null or type like any ($3)) and ($4::text is null or task = $4)
            """);
        command.Parameters.Add(new() { Value = session });
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = filter.IsOpen ? DBNull.Value : filter.LikePatterns, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)task ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private NpgsqlCommand SessionCommand(string sql, string tenant, string session, long after, int limit)
    {
        var command = database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = session });
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = after });
        AddLimits(command, limit);
        return command;
    }

    private static async Task<(List<SourceEvent> Events, long Available)> ReadAsync(NpgsqlCommand command, string session, CancellationToken cancellationToken)
    {
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var events = new List<SourceEvent>();
        var available = 0L;
        while (await row.ReadAsync(cancellationToken))
        {
            var seq = row.GetInt64(0);
            events.Add(new(
                StreamPosition.OfSeq(seq), seq, row.GetString(1), session, Text(row, 2), Text(row, 3), row.GetFieldValue<DateTimeOffset>(4),
                row.IsDBNull(5) ? default(ReadOnlyMemory<byte>) : row.GetFieldValue<byte[]>(5), row.GetInt32(6)));
            available = row.GetInt64(7);
        }
        return (events, available);
    }

    public async Task<byte[]> ReadPayloadAsync(string session, long seq, long offset, int length, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "select substring(payload from $3 for $4) from marionette.session_event where session = $1 and seq = $2");
        command.Parameters.Add(new() { Value = session });
        command.Parameters.Add(new() { Value = seq });
        command.Parameters.Add(new() { Value = (int)offset + 1 });
        command.Parameters.Add(new() { Value = length });
        return (byte[]?)await command.ExecuteScalarAsync(cancellationToken) ?? [];
    }

    public async Task<byte[]> ReadTenantPayloadAsync(string tenant, StreamPosition position, long offset, int length, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "select substring(payload from $4 for $5) from marionette.tenant_event where tenant = $1 and xid = $2 and position = $3");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = position.Major, NpgsqlDbType = NpgsqlDbType.Xid8 });
        command.Parameters.Add(new() { Value = position.Minor });
        command.Parameters.Add(new() { Value = (int)offset + 1 });
        command.Parameters.Add(new() { Value = length });
        return (byte[]?)await command.ExecuteScalarAsync(cancellationToken) ?? [];
    }

    public async Task<StreamPosition> TenantHeadAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            select xid, position from marionette.tenant_event
             where tenant = $1 and xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid desc, position desc limit 1
            """);
        command.Parameters.Add(new() { Value = tenant });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? new(row.GetFieldValue<ulong>(0), row.GetInt64(1)) : StreamPosition.Start;
    }

    // Rows of transactions that may still run are left for later: one of them could bring a row that stands before these.
    private const string TenantPage =
        """
        select xid, position, coalesce(session, ''), coalesce(seq, 0), type, task, at, case when size <= $4 then payload end, size, available from (
          select *, sum(size) over (order by xid, position) - size as bytes_before, count(*) over () as available from (
            select xid, position, session, seq, type, task, at, payload, octet_length(payload) as size from marionette.tenant_event
             where tenant = $1 and (xid, position) > ($2, $3) and xid < pg_snapshot_xmin(pg_current_snapshot())
               and ($7::text[] is null or type like any ($7))
             order by xid, position limit $5) as page) as sized
         where bytes_before < $6 order by xid, position
        """;

    public async Task<EventPage> ReadTenantAsync(string tenant, StreamPosition after, int limit, TypeFilter filter, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(TenantPage);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = after.Major, NpgsqlDbType = NpgsqlDbType.Xid8 });
        command.Parameters.Add(new() { Value = after.Minor });
        AddLimits(command, limit + 1);
        command.Parameters.Add(new() { Value = filter.IsOpen ? DBNull.Value : filter.LikePatterns, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        var events = new List<SourceEvent>();
        var available = 0L;
        while (await row.ReadAsync(cancellationToken))
        {
            events.Add(new(
                new(row.GetFieldValue<ulong>(0), row.GetInt64(1)), row.GetInt64(3), row.GetString(4), row.GetString(2), Text(row, 5), null,
                row.GetFieldValue<DateTimeOffset>(6), row.IsDBNull(7) ? default(ReadOnlyMemory<byte>) : row.GetFieldValue<byte[]>(7), row.GetInt32(8)));
            available = row.GetInt64(9);
        }
        if (events.Count > limit) events.RemoveRange(limit, events.Count - limit);
        return new(EventBlockBuilder.BuildTenant(after, events), available > events.Count);
    }

    private static void AddLimits(NpgsqlCommand command, int limit)
    {
        command.Parameters.Add(new() { Value = EventBlockBuilder.LargePayload });
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(new() { Value = (long)PageBytes });
    }

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
