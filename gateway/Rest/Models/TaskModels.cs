using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A task as clients see it.</summary>
internal sealed class TaskModel
{
    public required string Id { get; init; }
    public required string SessionId { get; init; }
    public required string Prompt { get; init; }
    [OneOf(
        "queued", "running", "waiting_permission", "waiting_for_model", "waiting_for_quota", "waiting_for_budget", "waiting_for_failover", "completed", "failed", "canceled",
        "timed_out")]
    public required string Status { get; init; }
    public string? Reason { get; init; }
    public required int MaxRetries { get; init; }
    public required int RetryCount { get; init; }
    public required int TimeoutSeconds { get; init; }
    public string? ContinueFrom { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public string? Result { get; init; }
    /// <summary>The result as JSON that meets the output schema.</summary>
    public JsonElement? StructuredOutput { get; init; }
    public JsonElement? OutputSchema { get; init; }
    public RunError? Error { get; init; }
    /// <summary>Files of the workspace that the last run changed.</summary>
    public IReadOnlyList<FileChange>? FilesChanged { get; init; }
    public TaskProgress? Progress { get; init; }
    /// <summary>When it goes on, while it waits for the model or for quota.</summary>
    public DateTime? ResumesAt { get; init; }
    public Budget? Budget { get; init; }
    /// <summary>Files that came with the prompt.</summary>
    public IReadOnlyList<TaskFileInfo>? Files { get; init; }
    /// <summary>The agent's own id of the conversation that it works in.</summary>
    public string? ConversationId { get; init; }
    public required Usage Usage { get; init; }
    public required long FirstSeq { get; init; }
    public long? LastSeq { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }
    public DateTime? StartedAt { get; init; }
    public DateTime? EndedAt { get; init; }

    public static TaskModel Of(TaskView view) => new()
    {
        Id = view.Id,
        SessionId = view.SessionId,
        Prompt = view.Prompt,
        Status = EnumText<TaskState>.Of(view.Status),
        Reason = Shown.OrNull(view.Reason),
        MaxRetries = view.MaxRetries,
        RetryCount = view.RetryCount,
        TimeoutSeconds = view.TimeoutSeconds,
        ContinueFrom = view.ContinueFrom,
        Labels = Shown.OrEmpty(view.Labels),
        Annotations = Shown.NoAnnotations,
        Result = view.Result,
        StructuredOutput = Shown.Json(view.StructuredOutput),
        OutputSchema = Shown.Json(view.OutputSchema),
        Error = view.Error,
        FilesChanged = view.FilesChanged.IsDefaultOrEmpty ? null : view.FilesChanged,
        Progress = view.Progress,
        ResumesAt = view.ResumesAt?.UtcDateTime,
        Budget = view.Budget,
        Files = view.Files.IsDefaultOrEmpty ? null : view.Files,
        ConversationId = view.ConversationId,
        Usage = view.Usage ?? Usage.None,
        FirstSeq = view.FirstSeq,
        LastSeq = view.LastSeq,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
        StartedAt = view.StartedAt?.UtcDateTime,
        EndedAt = view.EndedAt?.UtcDateTime,
    };
}

/// <summary>One attempt at a task.</summary>
internal sealed class TaskRunModel
{
    public required string Id { get; init; }
    public required string TaskId { get; init; }
    public required int Attempt { get; init; }
    public string? RunnerId { get; init; }
    [OneOf("assigned", "running", "completed", "failed", "canceled", "timed_out", "interrupted")]
    public required string Status { get; init; }
    public string? Error { get; init; }
    public string? ErrorCode { get; init; }
    public int? ExitCode { get; init; }
    public string? Signal { get; init; }
    public required long TokensInput { get; init; }
    public required long TokensOutput { get; init; }
    public required Usage Usage { get; init; }
    public int? Turns { get; init; }
    public long? DurationMs { get; init; }
    public required DateTime QueuedAt { get; init; }
    public DateTime? AssignedAt { get; init; }
    public DateTime? StartedAt { get; init; }
    public DateTime? EndedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static TaskRunModel Of(RunView view)
    {
        var usage = view.Usage ?? Usage.None;
        return new()
        {
            Id = view.Id,
            TaskId = view.TaskId,
            Attempt = view.Attempt,
            RunnerId = view.RunnerId,
            Status = EnumText<RunStatus>.Of(view.Status),
            Error = view.Error?.Message,
            ErrorCode = view.Error?.Code,
            ExitCode = view.ExitCode,
            Signal = view.Signal,
            TokensInput = usage.InputTokens,
            TokensOutput = usage.OutputTokens,
            Usage = usage,
            Turns = view.Turns,
            DurationMs = view.DurationMs,
            QueuedAt = view.QueuedAt.UtcDateTime,
            AssignedAt = view.AssignedAt?.UtcDateTime,
            StartedAt = view.StartedAt?.UtcDateTime,
            EndedAt = view.EndedAt?.UtcDateTime,
            UpdatedAt = (view.EndedAt ?? view.StartedAt ?? view.AssignedAt ?? view.QueuedAt).UtcDateTime,
        };
    }
}
