namespace Marionette.Silo.Database;

public sealed partial class MigrationRunner
{
    [LoggerMessage(8101, LogLevel.Information, "Applied database migration {Version} ({Name})",
        EventName = "database.migration.applied")]
    private static partial void LogApplied(ILogger logger, int version, string name);

    [LoggerMessage(8102, LogLevel.Debug, "Database schema is up to date at migration {Version}",
        EventName = "database.migration.up-to-date")]
    private static partial void LogUpToDate(ILogger logger, int version);
}
