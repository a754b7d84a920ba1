using Npgsql;

namespace Marionette.Silo.Database.Embedded;

/// <summary>Starts, adopts and stops the server of one cluster.</summary>
internal sealed partial class Postmaster(
    EmbeddedPostgresOptions options,
    ClusterLayout layout,
    PostgresBinaries binaries,
    CommandRunner run,
    string connectionString,
    TimeProvider clock,
    ILogger logger)
{
    private const int KeptLogFiles = 5;

    /// <summary>
    /// Takes over the server that an earlier process of ours left running, or starts one; returns its pid when it
    /// answers.
    /// </summary>
    /// <exception cref="EmbeddedPostgresException">It does not come up; the message has what PostgreSQL said
    /// last.</exception>
    public async Task<int> EnsureRunningAsync(CancellationToken cancellationToken)
    {
        if (PostmasterProcess.Find(layout) is { } running)
        {
            if (await AnswersAsync(cancellationToken))
            {
                LogAdopted(logger, running);
                return running;
            }

            LogSilent(logger, running);
            await StopAsync("immediate", cancellationToken);
        }

        return await StartAsync(cancellationToken);
    }

    /// <summary>
    /// Stops in order; if that takes too long, at once, which costs a recovery at the next start and no data.
    /// </summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (!await StopAsync("fast", cancellationToken))
        {
            LogStopSlow(logger, options.StopTimeout);
            await StopAsync("immediate", cancellationToken);
        }

        // A socket folder outside our root would be forgotten there when the data folder goes.
        if (!layout.SocketDirectory.StartsWith(layout.Root, StringComparison.Ordinal) && CurrentPid is null &&
            Directory.Exists(layout.SocketDirectory))
        {
            Directory.Delete(layout.SocketDirectory, recursive: true);
        }
    }

    private async Task<bool> StopAsync(string mode, CancellationToken cancellationToken)
    {
        if (PostmasterProcess.Find(layout) is null) return true;
        await run.RunAsServerAsync(
            binaries.PgCtl,
            ["stop", "-D", layout.DataDirectory, "-m", mode, "-w", "-t", Seconds(options.StopTimeout)],
            cancellationToken);
        return PostmasterProcess.Find(layout) is null;
    }

    private async Task<int> StartAsync(CancellationToken cancellationToken)
    {
        DropOldLogs();
        var startLog = Path.Combine(layout.LogDirectory, "start.log");
        var began = clock.GetTimestamp();
        while (true)
        {
            RemoveForeignPidFile();
            File.Delete(startLog);
            // pg_ctl gives the server a session of its own: Ctrl-C in our terminal does not reach it. It hands the
            // options to a shell, hence the second quoting.
            var started = await run.RunAsServerAsync(
                binaries.PgCtl,
                ["start", "-D", layout.DataDirectory, "-l", startLog, "-w", "-t", Seconds(options.StartTimeout), "-s",
                    "-o", "-c config_file=" + ShellQuote(Path.Combine(layout.ConfigurationDirectory, "postgresql.conf"))],
                cancellationToken);
            if (started.ExitCode == 0 && PostmasterProcess.Find(layout) is { } pid) return pid;

            // Backends of a killed postmaster end by themselves; until then PostgreSQL refuses, rightly.
            if (!PostmasterProcess.AnyIn(layout) || clock.GetElapsedTime(began) > options.StartTimeout)
            {
                throw new EmbeddedPostgresException(
                    $"PostgreSQL does not start in {layout.DataDirectory}: {LastFatal(startLog) ?? started.Said}; " +
                    $"its log is in {layout.LogDirectory}.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), clock, cancellationToken);
        }
    }

    /// <summary>
    /// Removes a pid file whose number is another program's now, after a reboot for instance, or a zombie's that
    /// nobody collects: PostgreSQL would take either for itself and refuse. While any process of the cluster lives the
    /// file stays, since it guards the data.
    /// </summary>
    private void RemoveForeignPidFile()
    {
        if (PostmasterProcess.ReadPid(layout) is not { } pid || !Directory.Exists($"/proc/{pid}")) return;
        if (PostmasterProcess.AnyIn(layout)) return;
        LogStale(logger, layout.PostmasterPidFile, pid);
        File.Delete(layout.PostmasterPidFile);
        File.Delete(layout.SocketFile + ".lock"); // it holds the same number, and PostgreSQL checks it the same way
    }

    /// <summary>Waits until the server, which may be recovering, takes a connection.</summary>
    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        while (PostmasterProcess.Find(layout) is not null && clock.GetElapsedTime(began) < options.StartTimeout)
        {
            try
            {
                await using var connection = new NpgsqlConnection(
                    new NpgsqlConnectionStringBuilder(connectionString) { Database = "postgres", Pooling = false, Timeout = 5 }
                        .ConnectionString);
                await connection.OpenAsync(cancellationToken);
                return true;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), clock, cancellationToken);
            }
            catch (PostgresException)
            {
                return true; // too many connections, say: a server that refuses is one that runs
            }
            catch (NpgsqlException)
            {
                return false;
            }
        }

        return false;
    }

    /// <summary>The pid of the server that runs now; null: none.</summary>
    public int? CurrentPid => PostmasterProcess.Find(layout);

    /// <summary>Keeps the newest logs; PostgreSQL itself begins a file a day or every 10 MB and deletes none.</summary>
    public void DropOldLogs()
    {
        foreach (var old in Directory.EnumerateFiles(layout.LogDirectory, "postgresql-*.log")
            .OrderDescending(StringComparer.Ordinal).Skip(KeptLogFiles))
        {
            File.Delete(old);
        }
    }

    private static string Seconds(TimeSpan time) => ((int)Math.Ceiling(time.TotalSeconds)).ToString();

    private static string ShellQuote(string text) => "'" + text.Replace("'", @"'\''", StringComparison.Ordinal) + "'";

    private static string? LastFatal(string file) =>
        File.Exists(file) ? File.ReadLines(file).LastOrDefault(line => line.Contains("FATAL", StringComparison.Ordinal)) : null;
}
