namespace Marionette.Silo.Database.Embedded;

/// <summary>The embedded server cannot run. The message is one line: what is wrong, and what to do.</summary>
public sealed class EmbeddedPostgresException(string message, Exception? inner = null) : Exception(message, inner);
