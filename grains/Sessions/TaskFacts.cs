using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Marionette.Tasks;

namespace Marionette.Sessions;

// Facts about tasks and their runs; stored formats, see Facts.cs.

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

/// <summary>How a process ended.</summary>
internal sealed record ExitInfo(int? Code, string? Signal);

/// <summary>Tokens of one run.</summary>
internal sealed record UsageData(long InputTokens, long OutputTokens, long CacheReadTokens, long CacheWriteTokens)
{
    public static UsageData None { get; } = new(0, 0, 0, 0);
}
