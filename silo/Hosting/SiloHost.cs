using Marionette.Silo.Database;
using Marionette.Silo.Database.Embedded;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Marionette.Silo.Hosting;

/// <summary>Starts the parts in the order in which they need each other, and stops them in the opposite one.</summary>
internal static partial class SiloHost
{
    public static async Task RunAsync(SiloSettings settings)
    {
        Directory.CreateDirectory(settings.DataDirectory);
        using var own = Own(settings);
        if (settings.HasGateway) File.Delete(settings.EndpointsFile);
        using var loggers = LoggerFactory.Create(logging => logging.AddMarionetteConsole());
        await PrepareChunksAsync(settings, loggers.CreateLogger("Marionette.Silo.ChunkStore"));

        await using var postgres = settings.ConnectionString is null
            ? await EmbeddedPostgres.StartAsync(
                new EmbeddedPostgresOptions { DataDirectory = settings.DataDirectory }, loggers.CreateLogger<EmbeddedPostgres>(), TimeProvider.System)
            : null;
        await using var source = Connect(settings.ConnectionString ?? postgres!.ConnectionString, loggers);
        await PrepareAsync(source, exclusive: postgres is not null, settings, loggers);

        await using var app = SiloApplication.Build(settings, source);
        CheckOptions(app.Services);
        await app.StartAsync();
        await ReadyAnnouncement.WriteAsync(app, settings);
        await app.WaitForShutdownAsync();
        if (settings.HasGateway) File.Delete(settings.EndpointsFile);
    }

    /// <summary>Looks at the configuration before the host does: that would tell a wrong value with its stack, twice.</summary>
    /// <exception cref="StartException">Every wrong value of it, in one line.</exception>
    internal static void CheckOptions(IServiceProvider services)
    {
        try
        {
            services.GetService<IStartupValidator>()?.Validate();
        }
        catch (OptionsValidationException e)
        {
            throw new StartException(string.Join(' ', e.Failures), e);
        }
        catch (AggregateException e) when (e.InnerExceptions.All(one => one is OptionsValidationException))
        {
            throw new StartException(string.Join(' ', e.InnerExceptions.Cast<OptionsValidationException>().SelectMany(one => one.Failures)), e);
        }
        // What is no number or no time where one is to stand: the message names the setting.
        catch (InvalidOperationException e) when (e.InnerException is FormatException or ArgumentException)
        {
            throw new StartException($"{e.Message} {e.InnerException.Message}".ReplaceLineEndings(" "), e);
        }
    }

    private static async Task PrepareChunksAsync(SiloSettings settings, ILogger log)
    {
        try
        {
            if (settings.Chunks is { } chunks && await chunks.PrepareAsync(TimeProvider.System) is { } note) LogNote(log, note);
        }
        catch (IOException e)
        {
            throw new StartException($"--chunk-store: {e.Message}", e);
        }

        try
        {
            if (settings.Chunks is not null) await settings.ChunkKeys.PrepareAsync();
        }
        catch (IOException e)
        {
            throw new StartException($"--chunk-key: {e.Message}", e);
        }
    }

    [LoggerMessage(8040, LogLevel.Warning, "--chunk-store: {Note}", EventName = "silo.chunks.note")]
    private static partial void LogNote(ILogger log, string note);

    private static NpgsqlDataSource Connect(string connectionString, ILoggerFactory loggers)
    {
        try
        {
            return MarionetteDataSource.Create(connectionString, "marionette-silo", loggers);
        }
        catch (ArgumentException e)
        {
            throw new StartException($"--connection-string: {e.Message}", e);
        }
    }

    private static async Task PrepareAsync(NpgsqlDataSource source, bool exclusive, SiloSettings settings, ILoggerFactory loggers)
    {
        try
        {
            await new MigrationRunner(source, loggers.CreateLogger<MigrationRunner>()).ApplyAsync();
            if (!exclusive) return;
            // The embedded database has this process alone, so whatever stands in the membership table is dead. Without this a start after a crash
            // would wait for the silo that crashed.
            await using var command = source.CreateCommand("update membership set status = 6 where cluster = $1 and status <> 6");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = settings.ClusterId });
            await command.ExecuteNonQueryAsync();
        }
        catch (NpgsqlException e) when (e is not PostgresException)
        {
            throw new StartException($"The database cannot be reached: {e.InnerException?.Message ?? e.Message}", e);
        }
    }

    /// <summary>
    /// An all-in-one has its data folder to itself. Silos of one cluster share theirs on a host: the provider works from the same runners' folder,
    /// whichever of them it lives on. The lock goes with the process, however it ends.
    /// </summary>
    private static FileStream Own(SiloSettings settings)
    {
        var path = Path.Combine(settings.DataDirectory, "silo.lock");
        try
        {
            return settings.ConnectionString is null || settings.HasGateway
                ? new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)
                : new FileStream(path, FileMode.OpenOrCreate, FileAccess.Read, FileShare.Read);
        }
        catch (IOException e)
        {
            throw new StartException($"{settings.DataDirectory} is in use by another marionette process; stop it or choose another --data-dir.", e);
        }
    }
}
