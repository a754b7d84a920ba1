using Marionette.Silo.Database;
using Marionette.Silo.Database.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Marionette.TestSupport;

/// <summary>
/// One real PostgreSQL for a test assembly, started when the first test asks for a database and deleted with the
/// fixture. Each test takes its own database: a migrated one is copied from a template in some 50 ms.
/// <code>[assembly: AssemblyFixture(typeof(PostgresFixture))]</code>
/// </summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private const string Template = "template_migrated";

    private readonly SemaphoreSlim starting = new(1);
    private string? folder;
    private EmbeddedPostgres? server;
    private int databases;

    /// <summary>The server's pid and its role's connection string, for tests that treat the server badly.</summary>
    public async Task<EmbeddedPostgres> ServerAsync(CancellationToken cancellationToken = default)
    {
        await starting.WaitAsync(cancellationToken);
        try
        {
            return server ??= await StartAsync(cancellationToken);
        }
        finally
        {
            starting.Release();
        }
    }

    /// <summary>A database of its own, with all migrations applied and the partitions of now made.</summary>
    /// <returns>Its connection string.</returns>
    public Task<string> CreateDatabaseAsync(CancellationToken cancellationToken = default) =>
        CreateAsync(Template, cancellationToken);

    /// <summary>A database of its own without anything in it.</summary>
    /// <returns>Its connection string.</returns>
    public Task<string> CreateEmptyDatabaseAsync(CancellationToken cancellationToken = default) =>
        CreateAsync("template0", cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (server is not null) await server.DisposeAsync();
        if (folder is not null) TestFolder.Delete(folder);
        starting.Dispose();
    }

    private async Task<EmbeddedPostgres> StartAsync(CancellationToken cancellationToken)
    {
        folder = TestFolder.CreateFast();
        var started = await EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions { DataDirectory = folder, SharedBuffersMb = 64 },
            NullLogger.Instance, TimeProvider.System, cancellationToken);

        await ExecuteAsync(started.ConnectionString, $"create database {Template}", cancellationToken);
        await using var source = MarionetteDataSource.Create(Of(started.ConnectionString, Template));
        await new MigrationRunner(source, NullLogger<MigrationRunner>.Instance).ApplyAsync(cancellationToken);
        using var partitions = new PartitionMaintenance(
            source, TimeProvider.System, NullLogger<PartitionMaintenance>.Instance);
        await partitions.EnsureAsync(cancellationToken);
        return started;
    }

    private async Task<string> CreateAsync(string template, CancellationToken cancellationToken)
    {
        var connectionString = (await ServerAsync(cancellationToken)).ConnectionString;
        var name = $"test_{Interlocked.Increment(ref databases)}";
        await ExecuteAsync(connectionString, $"create database {name} template {template}", cancellationToken);
        return Of(connectionString, name);
    }

    private static string Of(string connectionString, string database) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Database = database }.ConnectionString;

    private static async Task ExecuteAsync(string connectionString, string sql, CancellationToken cancellationToken)
    {
        // Not from the pool: a template must have no connection when it is copied.
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 60 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
