using System.Runtime.Versioning;
using System.Security.Cryptography;

namespace Marionette.Silo.Database.Embedded;

/// <summary>Makes the cluster once, and its configuration at each start.</summary>
[SupportedOSPlatform("linux")]
internal sealed partial class ClusterInitializer(
    EmbeddedPostgresOptions options, ClusterLayout layout, SystemUser? server, CommandRunner run, ILogger logger)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string Unfinished = "initializing-";

    /// <summary>
    /// Runs initdb into a folder of another name and renames it when all is done: a cluster is whole or not there,
    /// however often the machine dies in the middle. Returns the database password.
    /// </summary>
    public async Task<string> EnsureAsync(PostgresBinaries binaries, CancellationToken cancellationToken)
    {
        foreach (var rest in Directory.EnumerateDirectories(layout.ClusterDirectory, Unfinished + "*"))
        {
            LogUnfinished(logger, rest);
            DeleteTree(rest);
        }

        var copy = Path.Combine(layout.ConfigurationDirectory, "password.initdb");
        File.Delete(copy); // left over if the process was killed at the wrong moment
        if (Directory.Exists(layout.DataDirectory)) return await ReadPasswordAsync(cancellationToken);

        var password = await MakePasswordAsync(cancellationToken);
        var staging = Path.Combine(
            layout.ClusterDirectory, Unfinished + RandomNumberGenerator.GetHexString(8, lowercase: true));
        // initdb runs as the server's user, to whom our password file is closed: it gets a copy for the moment.
        await GiveToServerAsync(copy, password, cancellationToken);
        try
        {
            var made = await run.RunAsServerAsync(
                binaries.InitDb,
                ["-D", staging, "-U", ClusterLayout.DatabaseName, "--pwfile", copy, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                    "--data-checksums"],
                cancellationToken);
            if (made.ExitCode != 0) throw new EmbeddedPostgresException($"initdb failed: {made.Said}");
            Directory.Move(staging, layout.DataDirectory);
        }
        finally
        {
            File.Delete(copy);
        }

        LogMade(logger, layout.DataDirectory, binaries.MajorVersion);
        return password;
    }

    /// <summary>
    /// Writes the configuration anew, in a folder that the server's user can read and not write. What operators want
    /// otherwise goes into <c>operator.conf</c> beside it, which wins.
    /// </summary>
    public async Task WriteConfigurationAsync(CancellationToken cancellationToken)
    {
        await WriteAsync("pg_hba.conf", "# Our socket is the only way in.\nlocal all all scram-sha-256\n");
        await WriteAsync("postgresql.conf", $"""
            # Written at each start of Marionette. Put changes into operator.conf in this folder; it wins.
            hba_file = {Quote(Path.Combine(layout.ConfigurationDirectory, "pg_hba.conf"))}
            listen_addresses = ''
            cluster_name = {Quote(layout.ClusterName)}
            port = {ClusterLayout.Port}
            unix_socket_directories = {Quote(layout.SocketDirectory)}
            unix_socket_permissions = 0700
            max_connections = {options.MaxConnections}

            # One small host that also runs agents. The work is short indexed statements, never a big scan.
            shared_buffers = {options.SharedBuffersMb}MB
            max_parallel_workers_per_gather = 0
            jit = off
            random_page_cost = 1.1

            # A commit that was confirmed survives power loss.
            fsync = on
            synchronous_commit = on
            full_page_writes = on
            wal_compression = on
            max_wal_size = 2GB
            idle_in_transaction_session_timeout = 5min

            # Events are only ever added: vacuum early enough to keep index-only reads cheap.
            autovacuum_vacuum_insert_scale_factor = 0.1

            # Texts of users must not get into the log: no parameters, no details of violated keys.
            logging_collector = on
            log_directory = {Quote(layout.LogDirectory)}
            log_filename = 'postgresql-%Y%m%d-%H%M%S.log'
            log_rotation_age = 1d
            log_rotation_size = 10MB
            log_file_mode = 0600
            log_error_verbosity = terse
            log_parameter_max_length = 0
            log_parameter_max_length_on_error = 0
            log_line_prefix = '%m [%p] %a '
            timezone = 'UTC'
            log_timezone = 'UTC'

            include_if_exists = {Quote(Path.Combine(layout.ConfigurationDirectory, "operator.conf"))}
            """ + "\n");

        async Task WriteAsync(string name, string text)
        {
            var file = Path.Combine(layout.ConfigurationDirectory, name);
            await File.WriteAllTextAsync(file + ".new", text, cancellationToken);
            File.SetUnixFileMode(file + ".new", OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(file + ".new", file, overwrite: true);
        }
    }

    private static string Quote(string value) => "'" + value.Replace("'", "''", StringComparison.Ordinal) + "'";

    private async Task<string> ReadPasswordAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await File.ReadAllTextAsync(layout.PasswordFile, cancellationToken)).Trim();
        }
        catch (FileNotFoundException e)
        {
            throw new EmbeddedPostgresException(
                $"{layout.PasswordFile} is gone, and the database in {layout.DataDirectory} needs it: restore it from a backup.", e);
        }
    }

    private async Task<string> MakePasswordAsync(CancellationToken cancellationToken)
    {
        var password = RandomNumberGenerator.GetHexString(64, lowercase: true);
        await WritePrivateAsync(layout.PasswordFile, password, cancellationToken);
        return password;
    }

    private async Task GiveToServerAsync(string file, string text, CancellationToken cancellationToken)
    {
        await WritePrivateAsync(file, text, cancellationToken);
        if (server is null) return;
        var given = await CommandRunner.RunAsync("chown", [server.UserId, file], cancellationToken);
        if (given.ExitCode != 0) throw new EmbeddedPostgresException($"Cannot chown {file}: {given.Said}");
    }

    private static async Task WritePrivateAsync(string file, string text, CancellationToken cancellationToken)
    {
        File.Delete(file); // the mode counts at creation only
        await using var stream = new FileStream(file, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
        });
        await using var writer = new StreamWriter(stream);
        await writer.WriteLineAsync(text.AsMemory(), cancellationToken);
    }

    private static void DeleteTree(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (IOException)
        {
            // An initdb whose starter was killed may still be writing, or cleaning up itself. Its folder is of no
            // use to anyone, and the next start tries again.
        }
    }

    [LoggerMessage(8123, LogLevel.Information, "Made a database cluster in {DataDirectory} (PostgreSQL {MajorVersion})",
        EventName = "database.embedded.made")]
    private static partial void LogMade(ILogger logger, string dataDirectory, int majorVersion);

    [LoggerMessage(8124, LogLevel.Warning, "Removing {Folder}, left by an initdb that was interrupted",
        EventName = "database.embedded.unfinished")]
    private static partial void LogUnfinished(ILogger logger, string folder);
}
