namespace Marionette.Silo.Database.Embedded;

internal sealed partial class Postmaster
{
    [LoggerMessage(8125, LogLevel.Information, "Took over the running PostgreSQL (pid {Pid})",
        EventName = "database.embedded.adopted")]
    private static partial void LogAdopted(ILogger logger, int pid);

    [LoggerMessage(8126, LogLevel.Warning, "The running PostgreSQL (pid {Pid}) does not answer; starting it anew",
        EventName = "database.embedded.silent")]
    private static partial void LogSilent(ILogger logger, int pid);

    [LoggerMessage(8127, LogLevel.Warning, "PostgreSQL did not stop within {StopTimeout}; cutting its connections",
        EventName = "database.embedded.stop-slow")]
    private static partial void LogStopSlow(ILogger logger, TimeSpan stopTimeout);

    [LoggerMessage(8128, LogLevel.Warning, "Removing {File}: pid {Pid} is no server any more",
        EventName = "database.embedded.stale-pid")]
    private static partial void LogStale(ILogger logger, string file, int pid);
}
