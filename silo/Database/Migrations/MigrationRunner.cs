using Npgsql;

namespace Marionette.Silo.Database;

/// <summary>
/// Brings the database's schema up to this build. Idempotent, and safe when many silos start at once: one applies,
/// the others wait and find nothing left to do. Each migration is a transaction of its own, so a crash or a failing
/// statement leaves the database at the last whole step.
/// </summary>
/// <remarks>
/// The lock belongs to a database session: connect directly or through a session pooler, not a transaction pooler.
/// When nothing is missing, the runner only reads, so a role without rights on the schema can start silos after
/// another role has migrated.
/// </remarks>
public sealed partial class MigrationRunner
{
    /// <summary>The advisory lock's number ("MARIONET" in ASCII): the same in every build, for ever.</summary>
    internal const long LockKey = 0x4D4152494F4E4554;

    private const int OldestServer = 140000;

    private readonly NpgsqlDataSource dataSource;
    private readonly ILogger<MigrationRunner> logger;
    private readonly IReadOnlyList<Migration> migrations;

    /// <summary>Runs the migrations embedded in this build.</summary>
    public MigrationRunner(NpgsqlDataSource dataSource, ILogger<MigrationRunner> logger)
        : this(dataSource, logger, Migration.Embedded)
    {
    }

    internal MigrationRunner(
        NpgsqlDataSource dataSource, ILogger<MigrationRunner> logger, IReadOnlyList<Migration> migrations)
    {
        this.dataSource = dataSource;
        this.logger = logger;
        this.migrations = migrations;
    }

    /// <summary>Applies what is missing, in order.</summary>
    /// <returns>The versions this call applied; empty when there was nothing to do.</returns>
    /// <exception cref="MigrationException">
    /// An applied migration's text has changed, the database is newer than this build, or the server is too old.
    /// </exception>
    public async Task<IReadOnlyList<int>> ApplyAsync(CancellationToken cancellationToken = default)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await RefuseOldServerAsync(connection, cancellationToken);
        if (Missing(await ReadAppliedAsync(connection, cancellationToken)).Count == 0)
        {
            LogUpToDate(logger, migrations.Count);
            return [];
        }

        await ExecuteAsync(connection, $"select pg_advisory_lock({LockKey})", cancellationToken);
        try
        {
            return await ApplyMissingAsync(connection, cancellationToken);
        }
        finally
        {
            // The pool would hand the connection on with the lock; a closed connection has let go of it already.
            if (connection.State == System.Data.ConnectionState.Open)
                await ExecuteAsync(connection, $"select pg_advisory_unlock({LockKey})", CancellationToken.None);
        }
    }

    private async Task<IReadOnlyList<int>> ApplyMissingAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await ExecuteAsync(
            connection,
            """
            create schema if not exists marionette;
            create table if not exists marionette.schema_migration (
                version    integer primary key,
                name       text not null,
                sha256     text not null,
                applied_at timestamptz not null default now());
            """,
            cancellationToken);
        var done = new List<int>();
        foreach (var migration in Missing(await ReadAppliedAsync(connection, cancellationToken)))
        {
            await ApplyAsync(connection, migration, cancellationToken);
            LogApplied(logger, migration.Version, migration.Name);
            done.Add(migration.Version);
        }

        return done;
    }

    private static async Task ApplyAsync(
        NpgsqlConnection connection, Migration migration, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(connection, migration.Sql, cancellationToken);
        await using var record = new NpgsqlCommand(
            "insert into marionette.schema_migration (version, name, sha256) values ($1, $2, $3)", connection)
        {
            Parameters =
            {
                new() { Value = migration.Version },
                new() { Value = migration.Name },
                new() { Value = migration.Checksum },
            },
        };
        await record.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <summary>Compares what the database has with what this build carries.</summary>
    private List<Migration> Missing(IReadOnlyList<AppliedMigration> applied)
    {
        foreach (var row in applied)
        {
            if (row.Version > migrations.Count)
            {
                throw new MigrationException(
                    $"The database is at migration {applied[^1].Version} ({applied[^1].Name}), this build of Marionette " +
                    $"knows {migrations.Count}. Start a build at least as new as the one that migrated it, or " +
                    "restore a backup from before that upgrade.");
            }

            var own = migrations[row.Version - 1];
            if (own.Checksum != row.Checksum)
            {
                throw new MigrationException(
                    $"Migration {row.Version} ({row.Name}) was applied with another text than this build's " +
                    $"(sha256 {row.Checksum[..12]}… in the database, {own.Checksum[..12]}… here). Applied migrations " +
                    "never change: use the build that applied it, or put a correction into a new migration.");
            }
        }

        var known = applied.Select(row => row.Version).ToHashSet();
        return [.. migrations.Where(migration => !known.Contains(migration.Version))];
    }

    private static async Task<IReadOnlyList<AppliedMigration>> ReadAppliedAsync(
        NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var exists = new NpgsqlCommand(
            "select to_regclass('marionette.schema_migration') is not null", connection);
        if (await exists.ExecuteScalarAsync(cancellationToken) is not true) return [];

        await using var select = new NpgsqlCommand(
            "select version, name, sha256 from marionette.schema_migration order by version", connection);
        await using var reader = await select.ExecuteReaderAsync(cancellationToken);
        var rows = new List<AppliedMigration>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(new AppliedMigration(reader.GetInt32(0), reader.GetString(1), reader.GetString(2)));
        return rows;
    }

    private static async Task RefuseOldServerAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select current_setting('server_version_num')::int", connection);
        if (await command.ExecuteScalarAsync(cancellationToken) is int version && version < OldestServer)
        {
            throw new MigrationException(
                $"The server is PostgreSQL {connection.PostgreSqlVersion}; Marionette needs 14 or newer.");
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        // No time limit: waiting for another silo's migration, or migrating a large table, may take its time.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private sealed record AppliedMigration(int Version, string Name, string Checksum);
}
