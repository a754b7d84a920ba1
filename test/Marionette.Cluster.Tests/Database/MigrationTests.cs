using Marionette.Silo.Database;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

public sealed class MigrationTests(PostgresFixture postgres) : IAsyncLifetime
{
    private NpgsqlDataSource source = null!;
    private string connectionString = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        connectionString = await postgres.CreateEmptyDatabaseAsync(Cancel);
        source = MarionetteDataSource.Create(connectionString);
    }

    public ValueTask DisposeAsync() => source.DisposeAsync();

    [Fact]
    public async Task Apply_EmptyDatabase_AppliesAllInOrderAndRecordsThem()
    {
        var done = await Runner().ApplyAsync(Cancel);

        Assert.Equal(Migration.Embedded.Select(migration => migration.Version), done);
        Assert.Equal(
            Migration.Embedded.Select(migration => (migration.Version, migration.Name, migration.Checksum)), await RecordedAsync());
    }

    [Fact]
    public async Task Apply_Again_ChangesNothing()
    {
        await Runner().ApplyAsync(Cancel);
        Assert.Empty(await Runner().ApplyAsync(Cancel));
    }

    [Fact]
    public async Task Apply_ManySilosAtOnce_EachMigrationIsAppliedOnce()
    {
        var sources = Enumerable.Range(0, 8).Select(_ => MarionetteDataSource.Create(connectionString)).ToList();
        var runs = await Task.WhenAll(sources.Select(silo => Task.Run(() => Runner(silo).ApplyAsync(Cancel), Cancel)));
        foreach (var silo in sources) await silo.DisposeAsync();

        Assert.Equal(Migration.Embedded.Select(migration => migration.Version), runs.SelectMany(run => run).Order());
    }

    [Fact]
    public async Task Apply_DatabaseAtAnEarlierVersion_AppliesTheRest()
    {
        await Runner(migrations: [.. Migration.Embedded.Take(3)]).ApplyAsync(Cancel);
        Assert.Equal(Migration.Embedded.Skip(3).Select(migration => migration.Version), await Runner().ApplyAsync(Cancel));
    }

    [Fact]
    public async Task Apply_TextOfAnAppliedMigrationChanged_RefusesAndSaysWhich()
    {
        await Runner().ApplyAsync(Cancel);
        List<Migration> changed = [.. Migration.Embedded];
        changed[1] = changed[1] with { Sql = changed[1].Sql + "\n-- edited" };

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => Runner(migrations: changed).ApplyAsync(Cancel));
        Assert.Contains("Migration 2 (membership)", refusal.Message);
    }

    [Fact]
    public async Task Apply_DatabaseNewerThanTheBuild_RefusesAndSaysWhatToDo()
    {
        await Runner(migrations: [.. Migration.Embedded, Next("create table marionette.later ()")]).ApplyAsync(Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => Runner().ApplyAsync(Cancel));
        Assert.Contains($"at migration {Migration.Embedded.Count + 1} (next)", refusal.Message);
        Assert.Contains("restore a backup", refusal.Message);
    }

    [Fact]
    public async Task Apply_StatementFails_KeepsTheStepsBeforeAndNothingOfTheFailed()
    {
        var failing = Next("create table marionette.half_done (); select 1 / 0;");
        await Assert.ThrowsAsync<PostgresException>(
            () => Runner(migrations: [.. Migration.Embedded, failing]).ApplyAsync(Cancel));

        Assert.Equal(Migration.Embedded.Count, (await RecordedAsync()).Count);
        await using var find = source.CreateCommand("select to_regclass('marionette.half_done') is null");
        Assert.Equal(true, await find.ExecuteScalarAsync(Cancel));
        Assert.Empty(await Runner().ApplyAsync(Cancel)); // and the lock was let go
    }

    [Fact]
    public async Task Apply_UpToDate_NeedsNoRightsOnTheSchema()
    {
        await Runner().ApplyAsync(Cancel);
        var role = $"reader_{Guid.NewGuid():N}";
        await using (var grant = source.CreateCommand(
            $"create role {role} login password 'p'; grant usage on schema marionette to {role}; " +
            $"grant select on marionette.schema_migration to {role};"))
            await grant.ExecuteNonQueryAsync(Cancel);

        await using var reader = MarionetteDataSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString) { Username = role, Password = "p" }.ConnectionString);
        Assert.Empty(await Runner(reader).ApplyAsync(Cancel));
    }

    [Fact]
    public void Checksum_OtherLineEnds_IsTheSame() =>
        Assert.Equal(new Migration(1, "a", "x\ny\n").Checksum, new Migration(1, "a", "x\r\ny\r\n").Checksum);

    private MigrationRunner Runner(NpgsqlDataSource? silo = null, IReadOnlyList<Migration>? migrations = null) =>
        new(silo ?? source, NullLogger<MigrationRunner>.Instance, migrations ?? Migration.Embedded);

    private static Migration Next(string sql) => new(Migration.Embedded.Count + 1, "next", sql);

    private async Task<List<(int Version, string Name, string Checksum)>> RecordedAsync()
    {
        await using var select = source.CreateCommand("select version, name, sha256 from schema_migration order by version");
        await using var reader = await select.ExecuteReaderAsync(Cancel);
        var rows = new List<(int, string, string)>();
        while (await reader.ReadAsync(Cancel)) rows.Add((reader.GetInt32(0), reader.GetString(1), reader.GetString(2)));
        return rows;
    }
}
