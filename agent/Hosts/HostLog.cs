using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>Entries of the host daemon's own log. Ids 7120 to 7149. Never a token, a secret or a runner's environment.</summary>
internal static partial class HostLog
{
    [LoggerMessage(7120, LogLevel.Information, "agent {Version}: {Host} of pool {Pool}, {Runners} runners adopted, pid {Pid}", EventName = "host.started")]
    public static partial void HostStarted(this ILogger log, string version, string host, string pool, int runners, int pid);

    [LoggerMessage(7121, LogLevel.Information, "exit code {Code}: {Reason}", EventName = "host.ended")]
    public static partial void HostEnded(this ILogger log, int code, string reason);

    [LoggerMessage(7122, LogLevel.Information, "{Authority}: pool {Pool} knows {Host}", EventName = "host.connected")]
    public static partial void HostConnected(this ILogger log, string authority, string pool, string host);

    [LoggerMessage(7123, LogLevel.Warning, "{Reason}; again in {PauseMs} ms", EventName = "host.broken")]
    public static partial void HostDisconnected(this ILogger log, string reason, int pauseMs);

    [LoggerMessage(7124, LogLevel.Error, "the server refuses this host: {Reason}", EventName = "host.refused")]
    public static partial void HostRefused(this ILogger log, string reason);

    [LoggerMessage(7125, LogLevel.Warning, "removed from its pool: {Reason}", EventName = "host.dismissed")]
    public static partial void HostDismissed(this ILogger log, string reason);

    [LoggerMessage(7126, LogLevel.Information, "gateway goes away, again in {DelayMs} ms", EventName = "host.drained")]
    public static partial void HostDrained(this ILogger log, int delayMs);

    [LoggerMessage(7127, LogLevel.Information, "{Order} {Runner} in {Milliseconds} ms", EventName = "host.order.done")]
    public static partial void OrderDone(this ILogger log, string order, string runner, long milliseconds);

    [LoggerMessage(7128, LogLevel.Warning, "{Order} {Runner} failed after {Milliseconds} ms, {Kind}: {Reason}", EventName = "host.order.failed")]
    public static partial void OrderFailed(this ILogger log, string order, string runner, long milliseconds, string kind, string reason);

    [LoggerMessage(7129, LogLevel.Warning, "{Runner} could not be released, attempt {Attempt}: {Reason}", EventName = "host.release.failed")]
    public static partial void ReleaseFailed(this ILogger log, string runner, int attempt, string reason);

    [LoggerMessage(7130, LogLevel.Error, "{Count} runners are left: --leave tries again", EventName = "host.runners.left")]
    public static partial void RunnersLeft(this ILogger log, int count);

    [LoggerMessage(7131, LogLevel.Warning, "sandboxes could not be tested: {Reason}", EventName = "host.check.failed")]
    public static partial void CheckFailed(this ILogger log, string reason);

    [LoggerMessage(7132, LogLevel.Information, "this host has joined: the token is not used", EventName = "host.token.unused")]
    public static partial void TokenUnused(this ILogger log);
}
