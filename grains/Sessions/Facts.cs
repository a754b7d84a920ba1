using System.Collections.Immutable;
using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>What an event says. The JSON of each record is the <c>data</c> that docs/reference/events.md describes: a stored format.</summary>
internal abstract record Fact;

internal sealed record SessionCreated(
    string? Name, string Agent, string? Model, string? BaseUrl, bool IsByok, ImmutableArray<string> EnvNames, string WorkspaceId,
    string? ProfileId, string? AgentConfigId, string LifecycleMode, int? IdleTimeoutSeconds, string NetworkPolicy,
    ImmutableArray<string> AllowedHosts, ImmutableDictionary<string, string> Labels, string PermissionMode,
    int PermissionTimeoutSeconds, bool IncludeRaw, ImmutableArray<string> Command, string[]? OptionNames = null, Budget? Budget = null,
    bool AutoContinue = false) : Fact
{
    /// <summary>How its requests are asked.</summary>
    public PermissionTerms? PermissionPolicy { get; init; }

    /// <summary>Rules that it starts with.</summary>
    public ImmutableArray<PolicyRule>? PermissionRules { get; init; }

    /// <summary>Backend that makes its runners; null = the installation's default.</summary>
    public string? Provider { get; init; }

    /// <summary>What its workspace begins with; null = nothing.</summary>
    public SessionOrigin? Origin { get; init; }

    /// <summary>How long it lives; null = until somebody ends it.</summary>
    public int? TtlSeconds { get; init; }

    /// <summary>One of <see cref="Failover"/>; null = at once.</summary>
    public string? FailoverPolicy { get; init; }

    /// <summary>How it is suspended where nobody says; null = release.</summary>
    public string? SuspendStrategy { get; init; }
}

/// <summary>What may change in the life of a session; null = as it was.</summary>
internal sealed record SessionChanged(
    string By, string? Name, ImmutableDictionary<string, string>? Labels, string? Model, string? PermissionMode, bool? AutoContinue) : Fact
{
    /// <summary>One of <see cref="Failover"/>; null = as it was.</summary>
    public string? FailoverPolicy { get; init; }

    /// <summary>One of <see cref="SuspendStrategies"/>; null = as it was.</summary>
    public string? SuspendStrategy { get; init; }
}

/// <summary>The end of its life is near.</summary>
/// <param name="Left">Seconds that the warning comes before it.</param>
internal sealed record SessionExpiring(DateTimeOffset ExpiresAt, int Left) : Fact;

/// <summary>Its life ends then; null = when somebody ends it.</summary>
/// <param name="By">"marionette" where it was put off because its files are in no checkpoint.</param>
internal sealed record SessionExtended(string By, DateTimeOffset? ExpiresAt, string? Reason, string? CommandId) : Fact;

/// <summary>The agent works with them now.</summary>
internal sealed record SessionConfigured(string? Model, string? PermissionMode) : Fact;

/// <summary>The agent does not take them: the session has its old ones again.</summary>
internal sealed record SessionConfigureRefused(string? Model, string? PermissionMode, string? Reason) : Fact;

internal sealed record SessionActivated(string RunnerId, long Epoch) : Fact;

internal sealed record SessionSuspending(string Reason) : Fact
{
    /// <summary>Provider at which it then goes on; null = none in particular.</summary>
    public string? MoveTo { get; init; }

    /// <summary>Who moves it.</summary>
    public string? By { get; init; }

    /// <summary>"pause": its runner is to stand still rather than to go; null = it goes.</summary>
    public string? Strategy { get; init; }
}

/// <summary>The session goes on at another provider, or stays although it was asked to.</summary>
/// <param name="Stays">Why it stays; null = it has moved.</param>
internal sealed record SessionMoved(string By, string From, string To, string? Stays) : Fact;

/// <summary>The session goes on from one of its checkpoints. What came after it is in the log, and in no folder.</summary>
/// <param name="Seq">Of the checkpoint's event.</param>
internal sealed record SessionRestored(
    string By, string CheckpointId, long Seq, string Workspace, string Home, string? ConversationId, long Files, long Bytes) : Fact;

internal sealed record SessionSuspended(string Reason) : Fact;

internal sealed record SessionResuming(string Reason) : Fact;

internal sealed record SessionTerminated(string Reason) : Fact;

internal sealed record SessionFailed(string Code, string Reason) : Fact;

internal sealed record RunnerAssigned(string RunnerId, long Epoch, string Provider) : Fact;

internal sealed record RunnerConnected(string RunnerId, long Epoch) : Fact;

internal sealed record RunnerDisconnected(string RunnerId, long Epoch) : Fact;

internal sealed record RunnerReleased(string RunnerId, long Epoch, string Reason) : Fact;

/// <param name="Detail">The evidence.</param>
internal sealed record RunnerLost(string RunnerId, long Epoch, string Cause, string? Detail) : Fact
{
    /// <summary>What a person can do about it.</summary>
    public string? Next { get; init; }

    /// <summary>Event of the checkpoint that is newest: what came after it is on the runner's machine alone. Null = there is none.</summary>
    public long? CheckpointSeq { get; init; }
}

/// <summary>A phase of the runner's start has ended, or goes on.</summary>
internal sealed record RunnerProgress(string RunnerId, long Epoch, string Phase, long? TookMs, string? Detail) : Fact;

/// <summary>The runner may use so much of its processors only, until it is calm.</summary>
/// <param name="Reason">"births_refused".</param>
/// <param name="Count">Times that it came to that.</param>
internal sealed record RunnerThrottled(string RunnerId, long Epoch, double Cpus, string Reason, int Count) : Fact;

/// <summary>The runner has its processors again.</summary>
internal sealed record RunnerUnthrottled(string RunnerId, long Epoch, double Cpus, int Count) : Fact;

/// <summary>The network policy held something back; at most one a few seconds for each target.</summary>
internal sealed record NetworkBlocked(string Target, int Port, string Protocol, string Reason, int Count) : Fact;

/// <summary>What the session's runners may reach, from now on.</summary>
internal sealed record NetworkChanged(string By, string NetworkPolicy, ImmutableArray<string> AllowedHosts) : Fact;

/// <summary>The runner's folders are as they should be: from here on it writes in them.</summary>
/// <param name="Source">"kept": they were there, and newest; "restored": from the checkpoint; "new": the session had none yet; "lost": neither is to be had.</param>
internal sealed record WorkspaceReady(
    long Epoch, string Source, string? Workspace, string? Home, long? Files, long? Bytes, long? TookMs, WorkspaceDifference[]? Differences) : Fact;

/// <summary>Something that is not as the snapshot has it.</summary>
internal sealed record WorkspaceDifference(string Path, string What);

/// <summary>The workspace and the agent's home are stored, as they were at this point of the log.</summary>
/// <param name="Reason">"run": a run has ended; "interval": one takes long; "stop": the runner is about to go; "pause": it is about to be paused.</param>
internal sealed record CheckpointCreated(
    long Epoch, string Workspace, string Home, string Reason, string? ConversationId, long Files, long Bytes, long BytesStored, long TookMs,
    WorkspaceDifference[]? Skipped) : Fact
{
    /// <summary>No run was under way from its beginning to its end.</summary>
    public bool Quiet { get; init; }

    /// <summary>Nothing was left out that could not be read as it stood; false = not known, as older agents leave it.</summary>
    public bool Complete { get; init; }
}

/// <summary>Something that the agent said: stored as it came, of no effect on the state but the runner's number.</summary>
internal sealed record Output(string Type, byte[] Payload) : Fact;
