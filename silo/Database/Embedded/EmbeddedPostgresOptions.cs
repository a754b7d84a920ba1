namespace Marionette.Silo.Database.Embedded;

/// <summary>How the PostgreSQL server of this process is set up.</summary>
public sealed class EmbeddedPostgresOptions
{
    /// <summary>
    /// The process' data folder; made if it is not there. The server lives in its <c>postgres</c> subfolder.
    /// </summary>
    public required string DataDirectory { get; init; }

    /// <summary>
    /// Folder of <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>; null: searched for on this machine.
    /// </summary>
    public string? BinDirectory { get; init; }

    /// <summary>
    /// Where the cluster goes when the server's unprivileged user cannot reach the data folder.
    /// Default <c>/var/lib/marionette/clusters</c>.
    /// </summary>
    public string FallbackRoot { get; init; } = "/var/lib/marionette/clusters";

    /// <summary>PostgreSQL's page cache in MiB. Default 256, at least 16.</summary>
    public int SharedBuffersMb { get; init; } = 256;

    /// <summary>Connections the server accepts. Default 200.</summary>
    public int MaxConnections { get; init; } = 200;

    /// <summary>How long a start may take, crash recovery included. Default 2 minutes.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a stop waits for the server before it cuts the connections. Default 30 seconds.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause between the server's unexpected end and its restart. Default 1 second.</summary>
    public TimeSpan RestartDelay { get; init; } = TimeSpan.FromSeconds(1);
}
