namespace Marionette.Silo.Database;

/// <summary>
/// The database does not fit this build. The message says what is wrong and what to do; nothing was changed.
/// </summary>
public sealed class MigrationException(string message) : Exception(message);
