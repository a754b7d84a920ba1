namespace Marionette.Agent.Events;

/// <summary>Where a log line came from.</summary>
internal enum LogStream
{
    Stdout,
    Stderr,
    System,
}

/// <summary>How serious a log line is.</summary>
internal enum LogSeverity
{
    Debug,
    Info,
    Warn,
    Error,
}

internal static class LogFields
{
    public static ReadOnlySpan<byte> Name(this LogStream stream) => stream switch
    {
        LogStream.Stdout => "stdout"u8,
        LogStream.Stderr => "stderr"u8,
        _ => "system"u8,
    };

    public static ReadOnlySpan<byte> Name(this LogSeverity level) => level switch
    {
        LogSeverity.Debug => "debug"u8,
        LogSeverity.Info => "info"u8,
        LogSeverity.Warn => "warn"u8,
        _ => "error"u8,
    };
}
