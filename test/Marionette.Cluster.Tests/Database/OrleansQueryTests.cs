using System.Reflection;
using Marionette.TestSupport;
using Orleans.Configuration;
using Orleans.Storage;

namespace Marionette.Cluster.Tests.Database;

public sealed class OrleansQueryTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private static readonly string[] StorageKeys =
        ["ReadFromStorageKey", "WriteToStorageKey", "ClearStorageKey", "DeleteStorageKey"];

    [Fact]
    public async Task Table_HoldsExactlyTheQueriesThatTheProvidersLoad()
    {
        // The providers name their queries by the properties of an internal class; read them there, so that an
        // Orleans upgrade that needs another query fails here and not at a customer's first start.
        var clustering = QueryKeys(typeof(AdoNetClusteringSiloOptions).Assembly, "Orleans.Clustering.AdoNet.Storage.DbStoredQueries");
        var reminders = QueryKeys(typeof(AdoNetReminderTableOptions).Assembly, "Orleans.Reminders.AdoNet.Storage.DbStoredQueries");
        Assert.All(StorageKeys, key => Assert.Contains(key, AdoNetGrainStorage.DefaultInitializationQuery));

        Assert.Equal(
            clustering.Concat(reminders).Concat(StorageKeys).Order(StringComparer.Ordinal),
            await ListAsync<string>("select querykey from orleansquery order by querykey"));
    }

    private static List<string> QueryKeys(Assembly assembly, string type)
    {
        var keys = assembly.GetType(type, throwOnError: true)!
            .GetProperties(BindingFlags.Instance | BindingFlags.NonPublic).Select(property => property.Name).ToList();
        Assert.NotEmpty(keys);
        return keys;
    }
}
