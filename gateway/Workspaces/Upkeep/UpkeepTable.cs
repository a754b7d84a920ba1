using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Workspaces.Upkeep;

/// <summary>A session's checkpoints, for rules of retention.</summary>
/// <param name="Checkpoints">Newest first.</param>
internal sealed record SessionCheckpoints(string SessionId, DateTimeOffset? EndedAt, List<CheckpointMark> Checkpoints);

/// <summary>When a tenant's store was last looked after.</summary>
/// <param name="Report">What the last round came to; null = there was none.</param>
internal sealed record UpkeepTimes(DateTimeOffset? LookedAt, DateTimeOffset? CollectedAt, bool IsDirty, UpkeepReport? Report = null);

/// <summary>What the upkeep reads and writes on PostgreSQL.</summary>
internal sealed class UpkeepTable(NpgsqlDataSource database)
{
    /// <summary>Namespace of the advisory locks: no other code of an installation takes locks of two numbers with it.</summary>
    private const int LockSpace = 0x4d4e5550;

    /// <summary>Tenants that have stored something.</summary>
    public async Task<List<string>> TenantsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            with recursive -- from one tenant to the next by the index, whatever each has
                 of_snapshots as (
                     select min(tenant) as tenant from marionette.snapshot
                     union all select (select min(s.tenant) from marionette.snapshot s where s.tenant > o.tenant) from of_snapshots o where o.tenant is not null),
                 of_packs as (
                     select min(tenant) as tenant from marionette.chunk_pack
                     union all select (select min(p.tenant) from marionette.chunk_pack p where p.tenant > o.tenant) from of_packs o where o.tenant is not null)
            select tenant from marionette.chunk_upkeep
            union select tenant from of_snapshots where tenant is not null union select tenant from of_packs where tenant is not null order by 1
            """);
        var tenants = new List<string>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) tenants.Add(row.GetString(0));
        return tenants;
    }

    /// <summary>
    /// Takes the tenant for this gateway. The lock is its connection's and no transaction's: a collection takes long, and must not hold the database's clean-up back.
    /// </summary>
    /// <returns>To be disposed; null: another gateway is at work.</returns>
    public async Task<IAsyncDisposable?> TakeAsync(string tenant, CancellationToken cancellationToken)
    {
        var connection = await database.OpenConnectionAsync(cancellationToken);
        try
        {
            await using var command = new NpgsqlCommand("select pg_try_advisory_lock ($1, hashtext ($2))", connection);
            command.Parameters.Add(new() { Value = LockSpace });
            command.Parameters.Add(new() { Value = tenant });
            if ((bool)(await command.ExecuteScalarAsync(cancellationToken))!) return new Held(connection, tenant);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        await connection.DisposeAsync();
        return null;
    }

    public async Task<UpkeepTimes> TimesAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select looked_at, collected_at, dirty, report from marionette.chunk_upkeep where tenant = $1");
        command.Parameters.Add(new() { Value = tenant });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken)) return new UpkeepTimes(null, null, true);
        var report = await row.IsDBNullAsync(3, cancellationToken) ? null : JsonSerializer.Deserialize(row.GetString(3), UpkeepJson.Default.UpkeepReport);
        return new UpkeepTimes(Time(row, 0), Time(row, 1), row.GetBoolean(2), report);
    }

    /// <summary>Makes the tenant one of <see cref="TenantsAsync"/>.</summary>
    public async Task NoteTenantAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("insert into marionette.chunk_upkeep (tenant, dirty) values ($1, true) on conflict (tenant) do nothing");
        command.Parameters.Add(new() { Value = tenant });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>There is something to collect, or there is not.</summary>
    public async Task MarkAsync(string tenant, bool isDirty, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "insert into marionette.chunk_upkeep (tenant, dirty) values ($1, $2) on conflict (tenant) do update set dirty = $2");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = isDirty });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Notes what came of it.</summary>
    /// <param name="isDirty">Packs still wait for their deletion; null = nothing was collected.</param>
    public async Task NoteAsync(string tenant, DateTimeOffset now, bool? isDirty, UpkeepReport report, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            insert into marionette.chunk_upkeep as u (tenant, looked_at, collected_at, dirty, report)
            values ($1, $2, case when $3 is null then null else $2 end, coalesce($3, true), $4)
            on conflict (tenant) do update set looked_at = $2, collected_at = coalesce(excluded.collected_at, u.collected_at), dirty = u.dirty or coalesce($3, false), report = $4
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = now.UtcDateTime });
        command.Parameters.Add(new() { Value = (object?)isDirty ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Boolean });
        command.Parameters.Add(new() { Value = JsonSerializer.Serialize(report, UpkeepJson.Default.UpkeepReport), NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Names of all packs that the index knows.</summary>
    public async Task<HashSet<string>> PacksAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("select encode(name, 'hex') from marionette.chunk_pack where tenant = $1");
        command.Parameters.Add(new() { Value = tenant });
        var names = new HashSet<string>(StringComparer.Ordinal);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) names.Add(row.GetString(0));
        return names;
    }

    /// <summary>Packs, their bytes, snapshots, and mirrors of git repositories of a tenant.</summary>
    public async Task<(long Packs, long Bytes, long Snapshots, long Mirrors)> SizesAsync(string tenant, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            select count(*), coalesce(sum(length), 0)::bigint, (select count(*) from marionette.snapshot where tenant = $1 and part <> 'mirror'),
                   (select count(*) from marionette.git_mirror where tenant = $1 and snapshot is not null)
              from marionette.chunk_pack where tenant = $1
            """);
        command.Parameters.Add(new() { Value = tenant });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3));
    }

    /// <summary>Every session's checkpoints, one session at a time.</summary>
    public async IAsyncEnumerable<SessionCheckpoints> SessionsAsync(
        string tenant, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            select c.session_id, c.state ->> 'id', (c.state ->> 'created_at')::timestamptz,
                   case when s.status in ('terminated', 'failed') then (s.state ->> 'updated_at')::timestamptz end
              from marionette.grain_state c
              left join marionette.grain_state s on s.grain_type = 'session' and s.grain_key = $1 || '/' || c.session_id
             where c.grain_type = 'checkpoint' and c.tenant = $1 order by c.session_id, c.grain_key desc
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.CommandTimeout = 0;
        SessionCheckpoints? session = null;
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            if (session?.SessionId != row.GetString(0))
            {
                if (session is not null) yield return session;
                session = new SessionCheckpoints(row.GetString(0), Time(row, 3), []);
            }

            session!.Checkpoints.Add(new CheckpointMark(row.GetString(1), row.GetFieldValue<DateTimeOffset>(2)));
        }

        if (session is not null) yield return session;
    }

    /// <summary>Deletes checkpoints' rows. What a session goes on from stays its recovery point: that stands in the session's own row.</summary>
    public async Task DropAsync(string tenant, IReadOnlyCollection<string> checkpoints, CancellationToken cancellationToken)
    {
        if (checkpoints.Count == 0) return;
        await using var command = database.CreateCommand("delete from marionette.grain_state where grain_type = 'checkpoint' and grain_key = any ($1)");
        command.Parameters.Add(new() { Value = checkpoints.Select(id => GrainKeys.Of(tenant, id)).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Deletes the rows of sessions' snapshots that no checkpoint, no recovery point and no person needs. A snapshot that no checkpoint names yet may be one whose
    /// event is still with its runner: it goes once a newer one of its session has come (events come in order), or after a week.
    /// </summary>
    /// <returns>Their ids; the records are still there.</returns>
    public async Task<List<string>> TakeUnneededAsync(string tenant, RetentionRules rules, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            with checkpoint as (
                select session_id, state ->> 'workspace' as workspace, state ->> 'home' as home
                  from marionette.grain_state where grain_type = 'checkpoint' and tenant = $1),
            session as (
                select state -> 'recovery_point' ->> 'workspace' as workspace, state -> 'recovery_point' ->> 'home' as home
                  from marionette.grain_state
                 where grain_type = 'session' and tenant = $1 and jsonb_typeof(state -> 'recovery_point') = 'object'
                   and not ($4::timestamptz is not null and status in ('terminated', 'failed') and (state ->> 'updated_at')::timestamptz < $4)),
            needed as (
                select workspace as id from checkpoint union select home from checkpoint union select workspace from session union select home from session),
            newest as (select session_id, max(greatest(workspace, home)) as id from checkpoint group by session_id)
            delete from marionette.snapshot s
             where s.tenant = $1 and s.part in ('workspace', 'home') and not s.kept and s.used_at < $2
               and not exists (select from needed n where n.id = s.id)
               and (s.created_at < $3 or s.id < (select n.id from newest n where n.session_id = s.session_id))
            returning s.id
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = (now - StoreUpkeep.UsedFor).UtcDateTime });
        command.Parameters.Add(new() { Value = (now - StoreUpkeep.UnnamedFor).UtcDateTime });
        command.Parameters.Add(new() { Value = rules.AfterEnd > TimeSpan.Zero ? (now - rules.AfterEnd).UtcDateTime : DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.CommandTimeout = 0;
        var ids = new List<string>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) ids.Add(row.GetString(0));
        return ids;
    }

    private static DateTimeOffset? Time(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);

    private sealed class Held(NpgsqlConnection connection, string tenant) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                // A connection that goes back into the pool keeps its locks.
                await using var command = new NpgsqlCommand("select pg_advisory_unlock ($1, hashtext ($2))", connection);
                command.Parameters.Add(new() { Value = LockSpace });
                command.Parameters.Add(new() { Value = tenant });
                await command.ExecuteNonQueryAsync(CancellationToken.None);
            }
            catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
            {
                // The connection broke, and the lock with it.
            }
            finally
            {
                await connection.DisposeAsync();
            }
        }
    }
}
