namespace Marionette.Silo.Hosting;

/// <summary>The process cannot start; the message says why and what to do, in one line.</summary>
public sealed class StartException(string message, Exception? inner = null) : Exception(message, inner);
