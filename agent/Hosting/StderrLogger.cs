using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosting;

/// <summary>The agent's own log: one line an entry on standard error, <c>time level event text</c>.</summary>
internal sealed class StderrLogger(TimeProvider clock, LogLevel least) : ILogger
{
    private readonly Lock gate = new();
    private readonly Stream stream = Console.OpenStandardError();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        var text = formatter(state, exception).ReplaceLineEndings(" ");
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"{clock.GetUtcNow():yyyy-MM-ddTHH:mm:ss.fffZ} {Name(logLevel)} {eventId.Name ?? "agent"} {text}\n");
        lock (gate)
        {
            try
            {
                stream.Write(Encoding.UTF8.GetBytes(line));
            }
            catch (IOException)
            {
                // Nobody reads any more; the work matters more than its log.
            }
        }
    }

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        _ => "error",
    };
}
