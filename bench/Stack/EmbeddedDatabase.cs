using Npgsql;

namespace Marionette.Bench.Stack;

/// <summary>How to reach the server's embedded PostgreSQL: its configuration and its password file say it.</summary>
internal static class EmbeddedDatabase
{
    private const string Setting = "unix_socket_directories = '";

    public static string ConnectionString(string root)
    {
        var line = File.ReadLines(Path.Combine(root, "conf", "postgresql.conf")).First(line => line.StartsWith(Setting, StringComparison.Ordinal));
        return new NpgsqlConnectionStringBuilder
        {
            Host = line[Setting.Length..^1], Username = "marionette", Database = "marionette",
            Password = File.ReadAllText(Path.Combine(root, "password")).Trim(),
            SearchPath = "marionette", MaxPoolSize = 40, MaxAutoPrepare = 20, AutoPrepareMinUsages = 2,
        }.ConnectionString;
    }
}
