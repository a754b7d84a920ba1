using Npgsql;

namespace Marionette.Silo.Database;

/// <summary>
/// Keeps the event log's monthly partitions ahead of time: the current month's and the next two, made at start
/// (the host waits for it) and looked after daily. Every silo may run it. A month that nobody made is no loss: its
/// rows go to the default partition, and move when the month is made.
/// </summary>
public sealed partial class PartitionMaintenance(
    NpgsqlDataSource dataSource, TimeProvider clock, ILogger<PartitionMaintenance> logger) : BackgroundService
{
    private const int Months = 3;
    private const int Attempts = 10;

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await EnsureAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Makes the partitions that are missing now. Idempotent.</summary>
    /// <returns>Names of the new partitions.</returns>
    public async Task<IReadOnlyList<string>> EnsureAsync(CancellationToken cancellationToken = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await MakeAsync(cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState is
                PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected && attempt < Attempts)
            {
                // A long reader stands in the way. Waiting in the lock queue would hold up everybody behind us.
                await Task.Delay(TimeSpan.FromMilliseconds(200 * attempt), clock, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var wait = TimeSpan.FromDays(1);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(wait, clock, stoppingToken);
                await EnsureAsync(stoppingToken);
                wait = TimeSpan.FromDays(1);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(logger, e);
                wait = TimeSpan.FromHours(1);
            }
        }
    }

    private async Task<IReadOnlyList<string>> MakeAsync(CancellationToken cancellationToken)
    {
        var today = DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var limit = new NpgsqlCommand("set local lock_timeout = '2s'", connection))
            await limit.ExecuteNonQueryAsync(cancellationToken);

        var made = new List<string>();
        await using (var make = new NpgsqlCommand("select * from marionette.ensure_session_partitions($1, $2)", connection)
        {
            Parameters = { new() { Value = today }, new() { Value = Months } },
        })
        await using (var reader = await make.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken)) made.Add(reader.GetString(0));
        }

        await transaction.CommitAsync(cancellationToken);
        foreach (var name in made) LogMade(logger, name);
        return made;
    }

    [LoggerMessage(8111, LogLevel.Information, "Made partition {Partition} of the event log",
        EventName = "database.partition.made")]
    private static partial void LogMade(ILogger logger, string partition);

    [LoggerMessage(8112, LogLevel.Error,
        "Could not make partitions of the event log; new months go to the default partition until it works",
        EventName = "database.partition.failed")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
