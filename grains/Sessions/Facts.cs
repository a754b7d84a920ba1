using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>What an event says. The JSON of each record is the <c>data</c> that docs/reference/events.md describes: a stored format.</summary>
internal abstract record Fact;

internal sealed record SessionCreated(
    string? Name, string Agent, string? Model, string? BaseUrl, bool IsByok, ImmutableArray<string> EnvNames, string WorkspaceId,
    string? ProfileId, string? AgentConfigId, string LifecycleMode, int? IdleTimeoutSeconds, string NetworkPolicy,
    ImmutableArray<string> AllowedHosts, ImmutableDictionary<string, string> Labels, string PermissionMode,
    int PermissionTimeoutSeconds, bool IncludeRaw, ImmutableArray<string> Command) : Fact;

internal sealed record SessionActivated(string RunnerId, long Epoch) : Fact;

internal sealed record SessionSuspending(string Reason) : Fact;

internal sealed record SessionSuspended(string Reason) : Fact;

internal sealed record SessionResuming(string Reason) : Fact;

internal sealed record SessionTerminated(string Reason) : Fact;

internal sealed record SessionFailed(string Code, string Reason) : Fact;

internal sealed record RunnerAssigned(string RunnerId, long Epoch, string Provider) : Fact;

internal sealed record RunnerConnected(string RunnerId, long Epoch) : Fact;

internal sealed record RunnerDisconnected(string RunnerId, long Epoch) : Fact;

internal sealed record RunnerReleased(string RunnerId, long Epoch, string Reason) : Fact;

internal sealed record RunnerLost(string RunnerId, long Epoch, string Cause, string? Detail) : Fact;

internal sealed record TaskCreated(
    string Prompt, ImmutableDictionary<string, string> Labels, int TimeoutSeconds, int MaxRetries, string? ContinueFrom) : Fact;

internal sealed record TaskDispatched(int Attempt, string RunnerId) : Fact;

internal sealed record TaskStarted(int Attempt, string? ConversationId, string? AgentVersion) : Fact;

internal sealed record TaskInterrupted(int Attempt, string Reason, UsageData? Usage = null, decimal? CostUsd = null) : Fact;

internal sealed record TaskCancelRequested(string? By, string? Reason, string Outcome) : Fact;

/// <summary>A new run: by itself after a failure (<paramref name="Run"/> tells how that run ended), or on request (<paramref name="Task"/> is the ended task).</summary>
internal sealed record TaskRetried(int Attempt, string? CommandId, TaskEnded? Run, TaskView? Task) : Fact;

/// <summary>The end of a run that ends its task. The type of the event follows <paramref name="Outcome"/>.</summary>
internal sealed record TaskEnded(
    [property: JsonIgnore] TaskState Outcome, int Attempt, string? Result, RunError? Error, ExitInfo? Exit, UsageData Usage,
    decimal? CostUsd, long DurationMs, int? Turns, string? ConversationId) : Fact;

internal sealed record PermissionRequested(
    string PermissionId, string RequestId, string Tool, JsonElement Input, string Action, string? Description, string RiskLevel,
    string? Context, DateTimeOffset ExpiresAt) : Fact;

/// <summary>The type of the event follows <paramref name="Allow"/>.</summary>
internal sealed record PermissionDecided(
    [property: JsonIgnore] bool Allow, string PermissionId, string By, string? Reason, JsonElement? UpdatedInput, bool Interrupt, string CommandId) : Fact;

internal sealed record PermissionExpired(string PermissionId, string Reason) : Fact;

internal sealed record PermissionCanceled(string PermissionId, string Reason) : Fact;

internal sealed record PermissionDelivered(string PermissionId) : Fact;

/// <summary>Something that the agent said: stored as it came, of no effect on the state but the runner's number.</summary>
internal sealed record Output(string Type, byte[] Payload) : Fact;

/// <summary>How a process ended.</summary>
internal sealed record ExitInfo(int? Code, string? Signal);

/// <summary>Tokens of one run.</summary>
internal sealed record UsageData(long InputTokens, long OutputTokens, long CacheReadTokens, long CacheWriteTokens)
{
    public static UsageData None { get; } = new(0, 0, 0, 0);
}
