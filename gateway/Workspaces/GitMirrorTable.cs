using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Workspaces;

/// <summary>Whose mirror of what, as keyed hashes.</summary>
/// <param name="Name">Address, depth and filter.</param>
/// <param name="Owner">The same, and the credential.</param>
internal sealed record MirrorKey(byte[] Name, byte[] Owner);

/// <summary>Which mirrors there are, on PostgreSQL. Times are the database's.</summary>
internal sealed class GitMirrorTable(NpgsqlDataSource database)
{
    /// <summary>
    /// Notes that a clone asks, and says what there is for it. An address has one mirror: that of the credential that asked first, until it has not asked for an
    /// hour. So tokens that are made anew for each session replace one mirror, and do not pile them up.
    /// </summary>
    /// <returns>The snapshot, or null: none for this credential.</returns>
    public async Task<string?> AskAsync(string tenant, MirrorKey key, CancellationToken cancellationToken)
    {
        await using var command = Command(
            """
            with asked as (
                insert into marionette.git_mirror as m (tenant, name, owner) values ($1, $2, $3)
                on conflict (tenant, name) do update set
                    snapshot = case when m.owner = $3 then m.snapshot end, bytes = case when m.owner = $3 then m.bytes else 0 end,
                    asked = case when m.owner = $3 then least(m.asked + 1, 1000000) else 1 end, making_until = case when m.owner = $3 then m.making_until end,
                    made_at = case when m.owner = $3 then m.made_at end, owner = $3, used_at = now()
                 where m.owner = $3 or m.used_at < now() - interval '1 hour'
                returning m.snapshot),
                 used as (update marionette.snapshot s set used_at = now() from asked where s.tenant = $1 and s.id = asked.snapshot)
            select snapshot from asked
            """, tenant, key);
        return await command.ExecuteScalarAsync(cancellationToken) as string;
    }

    /// <summary>
    /// Whether one is wanted: there is none and this is not the first clone, or a fifth of the clone was missing in the one that there is, or something was and it is
    /// a day old. One runner at a time hears yes, and has an hour.
    /// </summary>
    /// <param name="bytes">Of the clone's packs.</param>
    /// <param name="fetched">So many of them came from the server.</param>
    /// <param name="room">Most bytes of all mirrors of the tenant; null = no limit.</param>
    public async Task<bool> OfferAsync(string tenant, MirrorKey key, long bytes, long fetched, long? room, CancellationToken cancellationToken)
    {
        await using var command = Command(
            """
            update marionette.git_mirror m set making_until = now() + interval '1 hour'
             where m.tenant = $1 and m.name = $2 and m.owner = $3 and (m.making_until is null or m.making_until < now())
               and (m.snapshot is null and m.asked > 1
                    or m.snapshot is not null and ($5 > $4 / 5 or $5 > 0 and m.made_at < now() - interval '1 day'))
               and ($6::bigint is null
                    or $4 + coalesce((select sum(o.bytes) from marionette.git_mirror o where o.tenant = $1 and o.name <> $2 and o.snapshot is not null), 0) <= $6)
            """, tenant, key);
        foreach (var number in new[] { bytes, fetched }) command.Parameters.Add(new() { Value = number });
        command.Parameters.Add(new() { Value = (object?)room ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Makes a snapshot the mirror. The one before stays for those who read it, and goes with an upkeep.</summary>
    /// <returns>False: nobody waits for it.</returns>
    public async Task<bool> SetAsync(string tenant, MirrorKey key, string snapshot, long bytes, CancellationToken cancellationToken)
    {
        await using var command = Command(
            """
            update marionette.git_mirror set snapshot = $4, bytes = $5, made_at = now(), making_until = null
             where tenant = $1 and name = $2 and owner = $3 and making_until > now()
            """, tenant, key);
        command.Parameters.Add(new() { Value = snapshot });
        command.Parameters.Add(new() { Value = bytes });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Forgets a mirror.</summary>
    /// <returns>Whether it was this one.</returns>
    public async Task<bool> DropAsync(string tenant, MirrorKey key, string snapshot, CancellationToken cancellationToken)
    {
        await using var command = Command(
            "update marionette.git_mirror set snapshot = null, bytes = 0, made_at = null where tenant = $1 and name = $2 and owner = $3 and snapshot = $4", tenant, key);
        command.Parameters.Add(new() { Value = snapshot });
        return await command.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <summary>Forgets mirrors that nobody asks for, and deletes the rows of snapshots that are no mirror, or no longer, and that nobody reads.</summary>
    /// <param name="keep">So long a mirror stays unused; zero = none stays.</param>
    /// <param name="read">So long a snapshot stays that was opened.</param>
    /// <returns>The snapshots; their records are still there.</returns>
    public async Task<List<string>> TakeUnneededAsync(string tenant, TimeSpan keep, TimeSpan read, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        var mirrors = new NpgsqlBatchCommand("delete from marionette.git_mirror where tenant = $1 and used_at <= now() - $2");
        var snapshots = new NpgsqlBatchCommand(
            """
            delete from marionette.snapshot s
             where s.tenant = $1 and s.part = 'mirror' and s.used_at < now() - $2
               and not exists (select from marionette.git_mirror m where m.tenant = $1 and m.snapshot = s.id)
            returning s.id
            """);
        foreach (var (command, time) in new[] { (mirrors, keep), (snapshots, read) })
        {
            command.Parameters.Add(new() { Value = tenant });
            command.Parameters.Add(new() { Value = time });
            batch.BatchCommands.Add(command);
        }

        var ids = new List<string>();
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) ids.Add(row.GetString(0));
        return ids;
    }

    private NpgsqlCommand Command(string sql, string tenant, MirrorKey key)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in new object[] { tenant, key.Name, key.Owner }) command.Parameters.Add(new() { Value = value });
        return command;
    }
}
