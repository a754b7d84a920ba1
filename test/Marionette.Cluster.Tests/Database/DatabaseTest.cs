using Marionette.Silo.Database;
using Marionette.TestSupport;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

/// <summary>A test with a migrated database of its own.</summary>
public abstract class DatabaseTest(PostgresFixture postgres) : IAsyncLifetime
{
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected string ConnectionString { get; private set; } = "";

    protected NpgsqlDataSource Source { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        ConnectionString = await postgres.CreateDatabaseAsync(Cancel);
        Source = MarionetteDataSource.Create(ConnectionString);
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected async Task<T?> ScalarAsync<T>(string sql, params object[] values)
    {
        await using var command = Source.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return await command.ExecuteScalarAsync(Cancel) is T found ? found : default;
    }

    protected async Task<int> ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Source.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return await command.ExecuteNonQueryAsync(Cancel);
    }

    protected async Task<List<T>> ListAsync<T>(string sql, params object[] values)
    {
        await using var command = Source.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        var list = new List<T>();
        while (await reader.ReadAsync(Cancel)) list.Add(await reader.GetFieldValueAsync<T>(0, Cancel));
        return list;
    }
}
