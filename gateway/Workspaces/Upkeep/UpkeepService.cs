using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces.Upkeep;

/// <summary>Looks after every tenant's part of the chunk store, one after the other, beside the requests.</summary>
internal sealed partial class UpkeepService(ChunkStores stores, StoreUpkeep upkeep, UpkeepTable table, TimeProvider clock, ILogger<UpkeepService> log) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!stores.IsKept) return;
        using var timer = new PeriodicTimer(Period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) await RoundAsync(stoppingToken);
        }
        catch (OperationCanceledException) { /* stopping */ }
    }

    private async Task RoundAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var one in await table.TenantsAsync(cancellationToken))
            {
                try
                {
                    await upkeep.RunIfDueAsync(one, cancellationToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // One tenant's trouble is not the others'.
                    LogPostponed(one, e is WorkspaceException { Fault: var fault } ? fault.ToString() : e.GetType().Name, e.Message);
                }
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogPostponed("-", e.GetType().Name, e.Message);
        }
    }

    [LoggerMessage(6145, LogLevel.Warning, "Upkeep of tenant {Tenant} postponed: {Kind}: {Cause}", EventName = "gateway.upkeep.postponed")]
    private partial void LogPostponed(string tenant, string kind, string cause);
}
