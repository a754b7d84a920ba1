using Npgsql;

namespace Marionette.Silo.Database.Embedded;

/// <summary>
/// A PostgreSQL server that belongs to this process: made in the data folder from the machine's PostgreSQL programs,
/// reached through a private Unix socket only, run by an unprivileged user, restarted when it dies, stopped on
/// disposal. When this process is killed the server runs on, and the next process takes it over.
/// </summary>
public sealed partial class EmbeddedPostgres : IAsyncDisposable
{
    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRestartDelay = TimeSpan.FromSeconds(30);

    private readonly EmbeddedPostgresOptions options;
    private readonly Postmaster postmaster;
    private readonly FileStream processLock;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task supervision;
    private int pid;

    private EmbeddedPostgres(
        EmbeddedPostgresOptions options, Postmaster postmaster, FileStream processLock, string connectionString, int pid,
        TimeProvider clock, ILogger logger)
    {
        this.options = options;
        this.postmaster = postmaster;
        this.processLock = processLock;
        this.clock = clock;
        this.logger = logger;
        this.pid = pid;
        ConnectionString = connectionString;
        supervision = SuperviseAsync();
    }

    /// <summary>How to connect; it contains the password, and stays the same over restarts.</summary>
    public string ConnectionString { get; }

    /// <summary>Process id of the server's parent process; another one after a restart.</summary>
    public int PostmasterPid => Volatile.Read(ref pid);

    /// <summary>
    /// Makes the server if it is not there, recovers it if it crashed, takes it over if it runs, and returns when it
    /// answers and the database exists.
    /// </summary>
    /// <exception cref="EmbeddedPostgresException">It cannot run here; the message says what to do.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(
        EmbeddedPostgresOptions options, ILogger logger, TimeProvider clock, CancellationToken cancellationToken = default)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new EmbeddedPostgresException(
                "The embedded PostgreSQL needs Linux: give a connection string of a PostgreSQL server.");
        }

        var server = SystemUser.ForServer();
        var run = new CommandRunner(server?.Name);
        var layout = await new ClusterPlacement(options, server, run, logger).PrepareAsync(cancellationToken);
        var processLock = Lock(layout);
        try
        {
            var binaries = await PostgresBinaries.FindAsync(
                options.BinDirectory, layout.ClusterVersion(), cancellationToken);
            var initializer = new ClusterInitializer(options, layout, server, run, logger);
            var password = await initializer.EnsureAsync(binaries, cancellationToken);
            await initializer.WriteConfigurationAsync(cancellationToken);

            var connectionString = new NpgsqlConnectionStringBuilder
            {
                Host = layout.SocketDirectory,
                Port = ClusterLayout.Port,
                Username = ClusterLayout.DatabaseName,
                Password = password,
                Database = ClusterLayout.DatabaseName,
            }.ConnectionString;
            var postmaster = new Postmaster(options, layout, binaries, run, connectionString, clock, logger);
            var pid = await postmaster.EnsureRunningAsync(cancellationToken);
            await EnsureDatabaseAsync(connectionString, cancellationToken);
            LogRunning(logger, layout.DataDirectory, pid);
            return new EmbeddedPostgres(options, postmaster, processLock, connectionString, pid, clock, logger);
        }
        catch
        {
            await processLock.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops the server in order. Stop everything that uses it before.</summary>
    public async ValueTask DisposeAsync()
    {
        if (stopping.IsCancellationRequested) return;
        await stopping.CancelAsync();
        await supervision;
        await postmaster.StopAsync(CancellationToken.None);
        await processLock.DisposeAsync();
        stopping.Dispose();
    }

    /// <summary>
    /// Looks after the server until disposal, and starts it again when it has ended for whatever reason.
    /// </summary>
    private async Task SuperviseAsync()
    {
        var lastCleanup = clock.GetTimestamp();
        try
        {
            while (true)
            {
                await Task.Delay(WatchInterval, clock, stopping.Token);
                if (postmaster.CurrentPid is { } current) Volatile.Write(ref pid, current);
                else await RestartAsync();
                if (clock.GetElapsedTime(lastCleanup) < TimeSpan.FromHours(1)) continue;
                postmaster.DropOldLogs();
                lastCleanup = clock.GetTimestamp();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Disposal.
        }
    }

    private async Task RestartAsync()
    {
        LogEnded(logger, PostmasterPid, options.RestartDelay);
        for (var delay = options.RestartDelay; ; delay = Longer(delay))
        {
            await Task.Delay(delay, clock, stopping.Token);
            try
            {
                var started = await postmaster.EnsureRunningAsync(stopping.Token);
                Volatile.Write(ref pid, started);
                LogRestarted(logger, started);
                return;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogRestartFailed(logger, e, Longer(delay));
            }
        }

        static TimeSpan Longer(TimeSpan delay) =>
            TimeSpan.FromMilliseconds(Math.Clamp(delay.TotalMilliseconds * 2, 500, LongestRestartDelay.TotalMilliseconds));
    }

    /// <summary>One process a cluster. The kernel lets go of the lock however this process ends.</summary>
    private static FileStream Lock(ClusterLayout layout)
    {
        try
        {
            return new FileStream(layout.LockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new EmbeddedPostgresException(
                $"Another Marionette process uses the database in {layout.Root}: stop it, or choose another data folder.", e);
        }
    }

    private static async Task EnsureDatabaseAsync(string connectionString, CancellationToken cancellationToken)
    {
        var maintenance = new NpgsqlConnectionStringBuilder(connectionString) { Database = "postgres", Pooling = false };
        await using var connection = new NpgsqlConnection(maintenance.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var find = new NpgsqlCommand("select exists (select from pg_database where datname = $1)", connection)
        {
            Parameters = { new() { Value = ClusterLayout.DatabaseName } },
        };
        if (await find.ExecuteScalarAsync(cancellationToken) is true) return;
        await using var create = new NpgsqlCommand($"create database {ClusterLayout.DatabaseName}", connection);
        await create.ExecuteNonQueryAsync(cancellationToken);
    }
}
