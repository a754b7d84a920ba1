namespace Marionette.ModelServer;

/// <summary>How a scripted model server listens and what it insists on. Every member has a working default.</summary>
public sealed record ModelServerOptions
{
    /// <summary>Loopback TCP port, 0 to 65535. Default 0: the system picks a free one.</summary>
    public int Port { get; init; }

    /// <summary>Wait before each answer of <c>POST /v1/messages</c>. Default none; never negative.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>File that gets one JSON line a request, appended. Default null: no file.</summary>
    public string? LogFile { get; init; }

    /// <summary>
    /// The one key that is accepted, or <c>sha256:HEX</c> of it so that the key need not stand in a process list.
    /// Default null: any key that does not start with <c>sk-bad</c>.
    /// </summary>
    public string? RequiredKey { get; init; }

    /// <summary>Clock behind latency, pacing, silence and the journal's times. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
