using System.Text.Json;
using Marionette.Tasks;

namespace Marionette.Sessions;

// What a runner reports and the session turns into its own facts: the "control" table of docs/reference/events.md.

internal sealed record RunStartedReport(string? ConversationId, string? AgentVersion);

internal sealed record RunFinishedReport(
    string? Outcome, string? Result, RunError? Error, ExitInfo? Exit, UsageData? Usage, decimal? CostUsd, long? DurationMs, int? Turns,
    string? ConversationId, JsonElement? StructuredOutput, FileChange[]? FilesChanged, bool? FilesChangedTruncated, long? ModelMs,
    DateTimeOffset? RetryAt);

internal sealed record MessageNotice(string? MessageId, string? Reason);

internal sealed record ConfigureNotice(string? Model, string? PermissionMode, string? Reason);

/// <summary>The members of a <c>usage</c> output that budgets count.</summary>
internal sealed record UsageReport(long InputTokens, long OutputTokens, long CacheReadTokens, long CacheWriteTokens);

/// <summary>A <c>progress</c> output. A member that is missing stays as it was.</summary>
internal sealed record ProgressReport(string? Step, double? Percent, TaskTodo[]? Todos);

internal sealed record PermissionReport(string? RequestId, string? Tool, JsonElement? Input, string? Description, JsonElement? Context)
{
    public string? Category { get; init; }

    public string? Title { get; init; }

    public string? Command { get; init; }

    public string?[]? Paths { get; init; }

    public string?[]? Hosts { get; init; }

    public string? Diff { get; init; }

    /// <summary>Why the agent asks rather than acts.</summary>
    public string? Reason { get; init; }

    public bool? TakesInput { get; init; }
}

internal sealed record PermissionNotice(string? RequestId, string? Reason);

internal sealed record WorkspaceReadyReport(
    string? Source, string? Workspace, string? Home, long? Files, long? Bytes, long? TookMs, WorkspaceDifference[]? Differences);

internal sealed record CheckpointReport(
    string? Workspace, string? Home, string? Reason, string? ConversationId, long Files, long Bytes, long BytesStored, long TookMs, WorkspaceDifference[]? Skipped,
    bool Quiet = false, bool Complete = false);

internal sealed record RunnerStoppedReport(string? Reason, string? ConversationId);
