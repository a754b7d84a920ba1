using Npgsql;

namespace Marionette.Silo.Database;

/// <summary>
/// Makes the one pool of database connections that a process shares between Orleans' providers and our own code.
/// </summary>
public static class MarionetteDataSource
{
    /// <summary>The schema that holds all tables; unqualified names resolve to it.</summary>
    public const string Schema = "marionette";

    /// <summary>Connections a process opens at most, unless the connection string says otherwise.</summary>
    public const int DefaultPoolSize = 40;

    /// <summary>
    /// Creates the data source. What the connection string sets itself is kept; the schema search path, multiplexing
    /// (off: Orleans' providers read with ordinary connections) and enlistment are always ours.
    /// </summary>
    /// <param name="connectionString">An Npgsql connection string: host, database, credentials, TLS.</param>
    /// <param name="applicationName">What the server's process list shows, such as <c>marionette-silo</c>.</param>
    /// <param name="loggerFactory">Where Npgsql logs; null: nowhere.</param>
    /// <exception cref="ArgumentException">The connection string is malformed.</exception>
    public static NpgsqlDataSource Create(
        string connectionString, string applicationName = "marionette", ILoggerFactory? loggerFactory = null)
    {
        var given = new NpgsqlConnectionStringBuilder(connectionString);
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            SearchPath = Schema,
            Multiplexing = false,
            Enlist = false,
        };
        SetUnlessGiven("Application Name", () => settings.ApplicationName = applicationName);
        SetUnlessGiven("Maximum Pool Size", () => settings.MaxPoolSize = DefaultPoolSize);
        SetUnlessGiven("Keepalive", () => settings.KeepAlive = 30);
        SetUnlessGiven("Command Timeout", () => settings.CommandTimeout = 15);
        SetUnlessGiven("Timeout", () => settings.Timeout = 5);
        SetUnlessGiven("Max Auto Prepare", () => settings.MaxAutoPrepare = 50);
        SetUnlessGiven("Auto Prepare Min Usages", () => settings.AutoPrepareMinUsages = 3);

        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (loggerFactory is not null) builder.UseLoggerFactory(loggerFactory);
        return builder.Build();

        void SetUnlessGiven(string keyword, Action set)
        {
            if (!given.ShouldSerialize(keyword)) set();
        }
    }
}
