using Marionette.Gateway.Auth;
using Marionette.Gateway.Idempotency;
using Marionette.Gateway.Workspaces;

namespace Marionette.Gateway.Hosting;

/// <summary>Work beside the requests: when keys were last used, idempotency rows that are too old, and what uploads left that died.</summary>
internal sealed partial class GatewayMaintenance(
    ApiKeyStore keys, IdempotencyStore idempotency, ChunkStores chunks, SnapshotUploads uploads, TimeProvider clock, ILogger<GatewayMaintenance> log)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10), PurgePeriod = TimeSpan.FromMinutes(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        var purged = DateTimeOffset.MinValue;
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await keys.FlushUsesAsync(stoppingToken);
                    if (clock.GetUtcNow() - purged < PurgePeriod) continue;
                    await idempotency.PurgeAsync(stoppingToken);
                    purged = clock.GetUtcNow();
                    chunks.Clear();
                    uploads.Clear();
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    LogPostponed(exception.GetType().Name, exception.Message);
                }
            }
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    [LoggerMessage(6401, LogLevel.Warning, "Maintenance postponed: {Kind}: {Cause}", EventName = "gateway.maintenance.postponed")]
    private partial void LogPostponed(string kind, string cause);
}
