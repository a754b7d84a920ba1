using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Marionette.Tasks;

namespace Marionette.Sessions;

// Facts about tasks and their runs; stored formats, see Facts.cs.

internal sealed record TaskCreated(
    string Prompt, ImmutableDictionary<string, string> Labels, int TimeoutSeconds, int MaxRetries, string? ContinueFrom,
    string? Conversation = null, TaskFileInfo[]? Files = null, JsonElement? OutputSchema = null, Budget? Budget = null) : Fact;

/// <summary>It has another place in the queue: before that task, or at the end.</summary>
internal sealed record TaskMoved(string? Before) : Fact;

/// <summary>It waits for something that only time or a person can give. <paramref name="Run"/> tells how the run that met it ended.</summary>
/// <param name="Kind">"quota", "model", "budget", "failover".</param>
/// <param name="Scope">For a budget: "task", "session", "tenant".</param>
/// <param name="Until">When it goes on by itself, or could go on.</param>
/// <param name="Auto">It goes on by itself at that time.</param>
internal sealed record TaskHeld(string Kind, string Reason, string? Scope, DateTimeOffset? Until, bool Auto, TaskEnded? Run) : Fact;

internal sealed record TaskReleased(string? By, string Reason) : Fact;

internal sealed record MessageSent(string MessageId, string Text, string By, TaskFileInfo[]? Files) : Fact;

internal sealed record MessageDelivered(string MessageId) : Fact;

internal sealed record MessageRefused(string MessageId, string Reason) : Fact;

/// <summary>The turn did not take it: it is a task of its own now.</summary>
internal sealed record MessageQueued(string MessageId, string TaskId) : Fact;

/// <param name="Scope">"task", "session", "tenant".</param>
/// <param name="Unit">"cost_usd", "tokens", "minutes".</param>
internal sealed record BudgetWarning(string Scope, string Unit, decimal Used, decimal Limit) : Fact;

internal sealed record BudgetExceeded(string Scope, string Unit, decimal Used, decimal Limit) : Fact;

internal sealed record BudgetChanged(string Scope, Budget? Budget, string By) : Fact;

internal sealed record TaskDispatched(int Attempt, string RunnerId) : Fact;

internal sealed record TaskStarted(int Attempt, string? ConversationId, string? AgentVersion) : Fact;

internal sealed record TaskInterrupted(int Attempt, string Reason, UsageData? Usage = null, decimal? CostUsd = null) : Fact;

internal sealed record TaskCancelRequested(string? By, string? Reason, string Outcome) : Fact;

/// <summary>A new run: by itself after a failure (<paramref name="Run"/> tells how that run ended), or on request (<paramref name="Task"/> is the ended task).</summary>
internal sealed record TaskRetried(int Attempt, string? CommandId, TaskEnded? Run, TaskView? Task) : Fact;

/// <summary>The end of a run that ends its task. The type of the event follows <paramref name="Outcome"/>.</summary>
internal sealed record TaskEnded(
    [property: JsonIgnore] TaskState Outcome, int Attempt, string? Result, RunError? Error, ExitInfo? Exit, UsageData Usage,
    decimal? CostUsd, long DurationMs, int? Turns, string? ConversationId, JsonElement? StructuredOutput = null, FileChange[]? FilesChanged = null,
    bool? FilesChangedTruncated = null, long? ModelMs = null) : Fact;

/// <summary>How a process ended.</summary>
internal sealed record ExitInfo(int? Code, string? Signal);

/// <summary>Tokens of one run.</summary>
internal sealed record UsageData(long InputTokens, long OutputTokens, long CacheReadTokens, long CacheWriteTokens)
{
    public static UsageData None { get; } = new(0, 0, 0, 0);
}
