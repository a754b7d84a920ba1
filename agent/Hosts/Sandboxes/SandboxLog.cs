using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>Entries of the host's log about sandboxes. Ids 7300 to 7399. Never a token.</summary>
internal static partial class SandboxLog
{
    [LoggerMessage(7300, LogLevel.Information, "{Runner} epoch {Epoch} started in {Kind}, {Milliseconds} ms", EventName = "sandbox.started")]
    public static partial void SandboxStarted(this ILogger log, string runner, long epoch, string kind, long milliseconds);

    [LoggerMessage(7301, LogLevel.Information, "{Runner} ended: {Cause}: {Detail}", EventName = "sandbox.ended")]
    public static partial void SandboxEnded(this ILogger log, string runner, string cause, string detail);

    [LoggerMessage(7302, LogLevel.Information, "{Runner} removed", EventName = "sandbox.removed")]
    public static partial void SandboxRemoved(this ILogger log, string runner);

    [LoggerMessage(7303, LogLevel.Information, "{Runner} found: {State}", EventName = "sandbox.found")]
    public static partial void SandboxFound(this ILogger log, string runner, string state);

    [LoggerMessage(7304, LogLevel.Warning, "leftover removed: {What}", EventName = "sandbox.leftover")]
    public static partial void Leftover(this ILogger log, string what);

    [LoggerMessage(7305, LogLevel.Warning, "{What} cannot be cleaned up now: {Reason}", EventName = "sandbox.stuck")]
    public static partial void Stuck(this ILogger log, string what, string reason);

    [LoggerMessage(7306, LogLevel.Warning, "{Runner} has no network: {Reason}", EventName = "sandbox.network.refused")]
    public static partial void NetworkRefused(this ILogger log, string runner, string reason);

    [LoggerMessage(7307, LogLevel.Warning, "the network helper is away: {Reason}", EventName = "sandbox.network.away")]
    public static partial void NetworkAway(this ILogger log, string reason);

    [LoggerMessage(7309, LogLevel.Warning, "the network helper left {Count} asks without an answer and is replaced", EventName = "sandbox.network.replaced")]
    public static partial void NetworkReplaced(this ILogger log, int count);

    [LoggerMessage(7308, LogLevel.Information, "{Kind}: works {Works}, limits {Limits}, network {Egress}, pause {Pause} {Detail}", EventName = "sandbox.checked")]
    public static partial void SandboxChecked(this ILogger log, string kind, bool works, string limits, bool egress, bool pause, string detail);

    [LoggerMessage(7310, LogLevel.Warning, "{Runner} is refused processes without end, time {Count}: it has {Cpus} cores until it is calm", EventName = "sandbox.throttled")]
    public static partial void SandboxThrottled(this ILogger log, string runner, int count, double cpus);

    [LoggerMessage(7311, LogLevel.Information, "{Runner} is calm, and has its {Cpus} cores again", EventName = "sandbox.unthrottled")]
    public static partial void SandboxUnthrottled(this ILogger log, string runner, double cpus);
}
