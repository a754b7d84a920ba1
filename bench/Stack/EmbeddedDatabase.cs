using Npgsql;

namespace Marionette.Bench.Stack;

/// <summary>How to reach the server's embedded PostgreSQL: its configuration and its password file say it.</summary>
internal static class EmbeddedDatabase
{
    /// <summary>Begins the title of each of its processes.</summary>
    public static string ClusterName(string dataDirectory) => Setting(RootOf(dataDirectory), "cluster_name");

    public static string ConnectionString(string dataDirectory)
    {
        var root = RootOf(dataDirectory);
        return new NpgsqlConnectionStringBuilder
        {
            Host = Setting(root, "unix_socket_directories"), Username = "marionette", Database = "marionette",
            Password = File.ReadAllText(Path.Combine(root, "password")).Trim(),
            SearchPath = "marionette", MaxPoolSize = 40, MaxAutoPrepare = 20, AutoPrepareMinUsages = 2,
        }.ConnectionString;
    }

    private static string RootOf(string dataDirectory)
    {
        // A data folder that the database's user cannot reach has its cluster elsewhere, and says where.
        var elsewhere = Path.Combine(dataDirectory, "postgres.location");
        return File.Exists(elsewhere) ? File.ReadAllText(elsewhere).Trim() : Path.Combine(dataDirectory, "postgres");
    }

    private static string Setting(string root, string name)
    {
        var begin = name + " = '";
        return File.ReadLines(Path.Combine(root, "conf", "postgresql.conf")).First(line => line.StartsWith(begin, StringComparison.Ordinal))[begin.Length..^1];
    }
}
