using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Tests.Support;

/// <summary>Keeps log entries as text.</summary>
internal sealed class RecordingLogger : ILogger
{
    private readonly Lock gate = new();
    private readonly List<string> entries = [];

    public string Text
    {
        get
        {
            lock (gate)
                return string.Join('\n', entries);
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (gate)
            entries.Add($"{DateTime.Now:HH:mm:ss.fff} {logLevel} {eventId.Name} {formatter(state, exception)}");
    }
}
