using Marionette.Silo.Database;
using Marionette.TestSupport;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

public sealed class MarionetteDataSourceTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    [Fact]
    public async Task Create_ResolvesOurTablesWithoutTheSchema() =>
        Assert.True(await ScalarAsync<long>("select count(*) from schema_migration") > 0);

    [Fact]
    public void Create_SetsTheHouseDefaults()
    {
        using var source = MarionetteDataSource.Create("Host=db", "silo");
        var settings = new NpgsqlConnectionStringBuilder(source.ConnectionString);
        Assert.Equal(
            (MarionetteDataSource.DefaultPoolSize, 15, 30, 50, "silo", "marionette"),
            (settings.MaxPoolSize, settings.CommandTimeout, settings.KeepAlive, settings.MaxAutoPrepare,
                settings.ApplicationName, settings.SearchPath));
    }

    [Fact]
    public void Create_KeepsWhatTheConnectionStringSays_EvenIfItIsNpgsqlsDefault()
    {
        using var source = MarionetteDataSource.Create(
            "Host=db;Maximum Pool Size=100;Command Timeout=30;Application Name=mine;Search Path=other");
        var settings = new NpgsqlConnectionStringBuilder(source.ConnectionString);
        Assert.Equal((100, 30, "mine"), (settings.MaxPoolSize, settings.CommandTimeout, settings.ApplicationName));
        Assert.Equal("marionette", settings.SearchPath);
    }
}
