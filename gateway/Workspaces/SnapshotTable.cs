using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Workspaces;

/// <summary>Which snapshots a list looks for. Null filters nothing.</summary>
internal sealed record SnapshotFilter(int Limit, string? BeforeId, string[]? Sessions, string[]? Parts);

/// <summary>
/// The snapshots of all tenants, on PostgreSQL. The records in the chunk store are what counts. Mirrors of git repositories have rows here too, for the upkeep; whoever
/// asks for a snapshot neither sees nor gets one: the next session could begin with a repository that its credential may not read.
/// </summary>
internal sealed class SnapshotTable(NpgsqlDataSource database)
{
    private const string Columns = "id, session_id, part, parent, name, kept, created_at, files, directories, links, bytes";

    /// <summary>Adds a row; one that is there stays.</summary>
    public async Task AddAsync(string tenant, SnapshotRow row, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            $"insert into marionette.snapshot (tenant, {Columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = row.Id });
        Add(command, row.SessionId);
        command.Parameters.Add(new() { Value = row.Part });
        Add(command, row.Parent);
        Add(command, row.Name);
        command.Parameters.Add(new() { Value = row.IsKept });
        command.Parameters.Add(new() { Value = row.CreatedAt.UtcDateTime });
        foreach (var number in new[] { row.Files, row.Directories, row.Links, row.Bytes }) command.Parameters.Add(new() { Value = number });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>A row, or null. Whoever asks is about to read the snapshot: it stays for a while.</summary>
    public Task<SnapshotRow?> UseAsync(string tenant, string id, CancellationToken cancellationToken) =>
        OneAsync($"update marionette.snapshot set used_at = now() where tenant = $1 and id = $2 and part <> 'mirror' returning {Columns}", [tenant, id], cancellationToken);

    /// <summary>A row, or null.</summary>
    public Task<SnapshotRow?> FindAsync(string tenant, string id, CancellationToken cancellationToken) =>
        OneAsync($"select {Columns} from marionette.snapshot where tenant = $1 and id = $2 and part <> 'mirror'", [tenant, id], cancellationToken);

    /// <summary>
    /// Deletes a row in one step with the look whether anything needs it: a session that has not ended goes on from it; it was recorded a moment ago and its
    /// checkpoint's event may still be on its way; somebody has begun to use it a moment ago.
    /// </summary>
    /// <returns>Whether it is gone.</returns>
    public async Task<bool> TryDeleteAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            with gone as (
                delete from marionette.snapshot s
                 where s.tenant = $1 and s.id = $2 and s.part <> 'mirror' and (s.used_at < now() - interval '1 minute' or s.used_at <= s.created_at + interval '1 second')
                   and not (s.part in ('workspace', 'home') and s.created_at > now() - interval '10 minutes'
                       and not exists (select from marionette.grain_state c where c.grain_type = 'checkpoint' and c.session_id = s.session_id
                           and s.id in (c.state ->> 'workspace', c.state ->> 'home')))
                   and not exists (select from marionette.grain_state g where g.grain_type = 'session' and g.grain_key = $1 || '/' || s.session_id
                       and g.status not in ('terminated', 'failed')
                       and s.id in (coalesce(g.state -> 'recovery_point' ->> 'workspace', ''), coalesce(g.state -> 'recovery_point' ->> 'home', '')))
                returning s.id),
                 noted as (insert into marionette.chunk_upkeep (tenant, dirty) select $1, true where exists (select from gone)
                           on conflict (tenant) do update set dirty = true)
            select count(*) from gone
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = id });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))! > 0;
    }

    /// <summary>Changes what people may change; null leaves it, an empty name takes the name away.</summary>
    /// <returns>The row, or null: there is none.</returns>
    public Task<SnapshotRow?> ChangeAsync(string tenant, string id, string? name, bool? isKept, CancellationToken cancellationToken) => OneAsync(
        $"""
         update marionette.snapshot set name = case when $3 is null then name else nullif($3, '') end, kept = coalesce($4, kept)
          where tenant = $1 and id = $2 and part <> 'mirror' returning {Columns}
         """, [tenant, id, new NpgsqlParameter { Value = (object?)name ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
            new NpgsqlParameter { Value = (object?)isKept ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Boolean }], cancellationToken);

    /// <summary>A page, newest first, and how many there are in all.</summary>
    public async Task<(List<SnapshotRow> Items, long Total)> ListAsync(string tenant, SnapshotFilter filter, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        const string where = "tenant = $1 and part <> 'mirror' and ($2::text[] is null or session_id = any ($2)) and ($3::text[] is null or part = any ($3))";
        var count = new NpgsqlBatchCommand($"select count(*) from marionette.snapshot where {where}");
        var page = new NpgsqlBatchCommand($"select {Columns} from marionette.snapshot where {where} and ($4::text is null or id < $4) order by id desc limit $5");
        foreach (var command in new[] { count, page })
        {
            command.Parameters.Add(new() { Value = tenant });
            command.Parameters.Add(new() { Value = (object?)filter.Sessions ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
            command.Parameters.Add(new() { Value = (object?)filter.Parts ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
            batch.BatchCommands.Add(command);
        }

        page.Parameters.Add(new() { Value = (object?)filter.BeforeId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        page.Parameters.Add(new() { Value = filter.Limit });
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var total = row.GetInt64(0);
        await row.NextResultAsync(cancellationToken);
        var items = new List<SnapshotRow>();
        while (await row.ReadAsync(cancellationToken)) items.Add(Read(row));
        return (items, total);
    }

    /// <summary>Every id of a tenant.</summary>
    public async Task<HashSet<string>> IdsAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select id from marionette.snapshot where tenant = $1");
        command.Parameters.Add(new() { Value = tenant });
        var ids = new HashSet<string>(StringComparer.Ordinal);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) ids.Add(row.GetString(0));
        return ids;
    }

    /// <summary>Removes rows, and notes that there is something to collect.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> RemoveAsync(string tenant, IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            with gone as (delete from marionette.snapshot where tenant = $1 and id = any ($2) returning id),
                 noted as (insert into marionette.chunk_upkeep (tenant, dirty) select $1, true where exists (select from gone)
                           on conflict (tenant) do update set dirty = true)
            select count(*) from gone
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = ids.ToArray() });
        return (long)(await command.ExecuteScalarAsync(cancellationToken))! > 0;
    }

    private async Task<SnapshotRow?> OneAsync(string sql, object[] values, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? Read(row) : null;
    }

    private static void Add(NpgsqlCommand command, string? text) =>
        command.Parameters.Add(new() { Value = (object?)text ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });

    private static SnapshotRow Read(NpgsqlDataReader row) => new()
    {
        Id = row.GetString(0), SessionId = Text(row, 1), Part = row.GetString(2), Parent = Text(row, 3), Name = Text(row, 4), IsKept = row.GetBoolean(5),
        CreatedAt = row.GetFieldValue<DateTimeOffset>(6), Files = row.GetInt64(7), Directories = row.GetInt64(8), Links = row.GetInt64(9), Bytes = row.GetInt64(10),
    };

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
