namespace Marionette.Silo.Database.Embedded;

public sealed partial class EmbeddedPostgres
{
    [LoggerMessage(8131, LogLevel.Information, "PostgreSQL runs in {DataDirectory} (pid {Pid})",
        EventName = "database.embedded.running")]
    private static partial void LogRunning(ILogger logger, string dataDirectory, int pid);

    [LoggerMessage(8132, LogLevel.Warning, "PostgreSQL (pid {Pid}) has ended; starting it again in {Delay}",
        EventName = "database.embedded.ended")]
    private static partial void LogEnded(ILogger logger, int pid, TimeSpan delay);

    [LoggerMessage(8133, LogLevel.Information, "PostgreSQL runs again (pid {Pid})",
        EventName = "database.embedded.restarted")]
    private static partial void LogRestarted(ILogger logger, int pid);

    [LoggerMessage(8134, LogLevel.Error, "PostgreSQL could not be restarted; trying again in {Delay}",
        EventName = "database.embedded.restart-failed")]
    private static partial void LogRestartFailed(ILogger logger, Exception exception, TimeSpan delay);
}
