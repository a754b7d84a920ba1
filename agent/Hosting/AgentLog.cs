using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosting;

/// <summary>Entries of the agent's own log. Ids 7000 to 7999. Never a prompt, an answer, a key or a token.</summary>
internal static partial class AgentLog
{
    [LoggerMessage(7000, LogLevel.Information, "agent {Version} of {Runner} epoch {Epoch}, pid {Pid}", EventName = "agent.started")]
    public static partial void Started(this ILogger log, string version, string runner, long epoch, int pid);

    [LoggerMessage(7001, LogLevel.Information, "exit code {Code}: {Reason}", EventName = "agent.ended")]
    public static partial void Ended(this ILogger log, int code, string reason);

    [LoggerMessage(7002, LogLevel.Information, "signal {Signal}", EventName = "agent.signal")]
    public static partial void Signalled(this ILogger log, string signal);

    [LoggerMessage(7003, LogLevel.Warning, "cannot protect the process's memory: {Reason}", EventName = "agent.dumpable")]
    public static partial void Dumpable(this ILogger log, string reason);

    [LoggerMessage(7010, LogLevel.Information, "{Authority}: server has {Acked}, spool has {Last}", EventName = "channel.connected")]
    public static partial void Connected(this ILogger log, string authority, long acked, long last);

    [LoggerMessage(7011, LogLevel.Warning, "{Reason}; again in {PauseMs} ms", EventName = "channel.broken")]
    public static partial void Disconnected(this ILogger log, string reason, int pauseMs);

    [LoggerMessage(7012, LogLevel.Error, "the server does not accept the runner's token", EventName = "channel.refused")]
    public static partial void TokenRefused(this ILogger log);

    [LoggerMessage(7013, LogLevel.Warning, "epoch {Own} ended by epoch {Newer}: {Reason}", EventName = "channel.fenced")]
    public static partial void Fenced(this ILogger log, long own, long newer, string reason);

    [LoggerMessage(7014, LogLevel.Information, "gateway goes away, again in {DelayMs} ms", EventName = "channel.drained")]
    public static partial void Drained(this ILogger log, int delayMs);

    [LoggerMessage(7015, LogLevel.Debug, "{Number} {Kind}, new: {IsNew}", EventName = "channel.command")]
    public static partial void CommandTaken(this ILogger log, long number, string kind, bool isNew);

    [LoggerMessage(7020, LogLevel.Warning, "{File}: {Bytes} bytes of a torn write cut off", EventName = "spool.cut")]
    public static partial void SpoolCut(this ILogger log, string file, long bytes);

    [LoggerMessage(7021, LogLevel.Error, "the server has event {Acked}, the spool ends at {Last}", EventName = "spool.behind")]
    public static partial void SpoolBehind(this ILogger log, long last, long acked);

    [LoggerMessage(7022, LogLevel.Error, "cannot write, holding the agent back: {Reason}", EventName = "spool.refused")]
    public static partial void SpoolRefused(this ILogger log, string reason);

    [LoggerMessage(7023, LogLevel.Information, "writing works again", EventName = "spool.writable")]
    public static partial void SpoolWritable(this ILogger log);

    [LoggerMessage(7024, LogLevel.Error, "event {Number} cannot be read back", EventName = "spool.lost")]
    public static partial void SpoolLost(this ILogger log, long number);

    [LoggerMessage(7030, LogLevel.Information, "{Run} started with {Agent}", EventName = "run.started")]
    public static partial void RunStarted(this ILogger log, string run, string agent);

    [LoggerMessage(7031, LogLevel.Information, "{Run} {Outcome} {Code} in {Milliseconds} ms", EventName = "run.finished")]
    public static partial void RunFinished(this ILogger log, string run, string outcome, string code, long milliseconds);

    [LoggerMessage(7032, LogLevel.Warning, "{Run} was cut off with the last agent process", EventName = "run.recovered")]
    public static partial void RunRecovered(this ILogger log, string run);

    [LoggerMessage(7033, LogLevel.Warning, "{Kind} ignored: {Reason}", EventName = "run.command_ignored")]
    public static partial void CommandIgnored(this ILogger log, string kind, string reason);

    [LoggerMessage(7034, LogLevel.Error, "{Kind} failed: {Reason}", EventName = "run.fault")]
    public static partial void CommandFailed(this ILogger log, string kind, string reason);

    [LoggerMessage(7040, LogLevel.Information, "pid {Pid}: {File}", EventName = "child.started")]
    public static partial void ChildStarted(this ILogger log, int pid, string file);

    [LoggerMessage(7041, LogLevel.Information, "pid {Pid} ended: {Exit}", EventName = "child.ended")]
    public static partial void ChildEnded(this ILogger log, int pid, string exit);

    [LoggerMessage(7042, LogLevel.Warning, "pid {Pid} of an earlier agent process killed", EventName = "child.leftover")]
    public static partial void LeftoverKilled(this ILogger log, int pid);

    [LoggerMessage(7060, LogLevel.Information, "the workspace is {Source}: {Files} files, {Milliseconds} ms", EventName = "workspace.ready")]
    public static partial void WorkspaceOpened(this ILogger log, string source, long files, long milliseconds);

    [LoggerMessage(7061, LogLevel.Warning, "the workspace is not there: {Reason}", EventName = "workspace.failed")]
    public static partial void WorkspaceFailed(this ILogger log, string reason);

    [LoggerMessage(7062, LogLevel.Information, "checkpoint ({Reason}) {Snapshot}: {Bytes} bytes stored, {Milliseconds} ms", EventName = "checkpoint.made")]
    public static partial void CheckpointMade(this ILogger log, string reason, string snapshot, long bytes, long milliseconds);

    [LoggerMessage(7063, LogLevel.Warning, "no checkpoint ({Reason}): {Message}", EventName = "checkpoint.failed")]
    public static partial void CheckpointFailed(this ILogger log, string reason, string message);

    [LoggerMessage(7064, LogLevel.Warning, "packs go through the gateway for {Minutes} minutes: the chunk store itself gave {Reason}", EventName = "chunks.direct_closed")]
    public static partial void DirectClosed(this ILogger log, string reason, int minutes);

    [LoggerMessage(7065, LogLevel.Information, "mirror {Snapshot}: {Bytes} bytes", EventName = "mirror.stored")]
    public static partial void MirrorStored(this ILogger log, string snapshot, long bytes);

    [LoggerMessage(7066, LogLevel.Warning, "no mirror of the repository: {Message}", EventName = "mirror.failed")]
    public static partial void MirrorFailed(this ILogger log, string message);

    [LoggerMessage(7067, LogLevel.Warning, "the next checkpoint reads every file: {Message}", EventName = "checkpoint.cache_lost")]
    public static partial void StatCacheLost(this ILogger log, string message);

    [LoggerMessage(7050, LogLevel.Information, "listening on 127.0.0.1:{Port}", EventName = "broker.started")]
    public static partial void BrokerStarted(this ILogger log, int port);

    [LoggerMessage(7051, LogLevel.Warning, "a request without the broker's token was refused", EventName = "broker.refused")]
    public static partial void BrokerRefused(this ILogger log);

    [LoggerMessage(7052, LogLevel.Debug, "{Method} {Path} -> {Status}", EventName = "broker.request")]
    public static partial void BrokerForwarded(this ILogger log, string method, string path, int status);

    [LoggerMessage(7053, LogLevel.Warning, "{Reason}", EventName = "broker.fault")]
    public static partial void BrokerFault(this ILogger log, string reason);

    [LoggerMessage(7080, LogLevel.Information, "{Key} attached in {Milliseconds} ms, IPv6: {HasV6}", EventName = "netd.attached")]
    public static partial void EgressAttached(this ILogger log, string key, long milliseconds, bool hasV6);

    [LoggerMessage(7081, LogLevel.Information, "{Key} detached: {Reason}", EventName = "netd.detached")]
    public static partial void EgressDetached(this ILogger log, string key, string reason);

    [LoggerMessage(7082, LogLevel.Warning, "{Key}: {Reason}", EventName = "netd.fault")]
    public static partial void EgressFault(this ILogger log, string key, string reason);

    [LoggerMessage(7083, LogLevel.Information, "netd {Version}, pid {Pid}, {Limit} connections a runner and {Flows} UDP flows", EventName = "netd.started")]
    public static partial void EgressStarted(this ILogger log, string version, int pid, int limit, int flows);
}
