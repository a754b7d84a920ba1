using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.Schedules;

/// <summary>State of a schedule.</summary>
public enum ScheduleStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Its occurrences come.</summary>
    Active = 1,
    /// <summary>Somebody, or failures in a row, paused it.</summary>
    Paused = 2,
    /// <summary>Failures in a row, or the end of its session, stopped it.</summary>
    Disabled = 3,
    /// <summary>Its last occurrence has passed.</summary>
    Ended = 4,
}

/// <summary>State of one occurrence.</summary>
public enum OccurrenceStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Due, and waits for the one before it.</summary>
    Waiting = 1,
    /// <summary>Its task is being queued.</summary>
    Starting = 2,
    /// <summary>Its task is queued or runs.</summary>
    Running = 3,
    /// <summary>Its task completed.</summary>
    Completed = 4,
    /// <summary>Its task failed or took too long, or could not be queued.</summary>
    Failed = 5,
    /// <summary>Its task was canceled.</summary>
    Canceled = 6,
    /// <summary>Not run, by the overlap policy or a pause.</summary>
    Skipped = 7,
    /// <summary>Not run: due while the system was down, and not made up.</summary>
    Missed = 8,
}

/// <summary>A schedule, and the JSON of its state row. Times are UTC.</summary>
[GenerateSerializer, Immutable, Alias("mn.schedule.view.v1")]
public record ScheduleView
{
    /// <summary>"stsk_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string Name { get; init; } = "";
    /// <summary>For people.</summary>
    [Id(2)] public string? Description { get; init; }
    /// <summary>State.</summary>
    [Id(3)] public ScheduleStatus Status { get; init; }
    /// <summary>Why, in a sentence; empty when there is nothing to say.</summary>
    [Id(4)] public string Reason { get; init; } = "";
    /// <summary>When.</summary>
    [Id(5)] public string CronExpression { get; init; } = "";
    /// <summary>IANA time zone.</summary>
    [Id(6)] public string Timezone { get; init; } = "UTC";
    /// <summary>What is asked.</summary>
    [Id(7)] public string PromptTemplate { get; init; } = "";
    /// <summary>The session that the tasks run in, or null.</summary>
    [Id(8)] public string? SessionId { get; init; }
    /// <summary>The session to make for each occurrence, or null.</summary>
    [Id(9)] public CreateSession? Session { get; init; }
    /// <summary>What becomes of such a session.</summary>
    [Id(10)] public string AfterRun { get; init; } = "terminate";
    /// <summary>Limit of each run.</summary>
    [Id(11)] public int TimeoutSeconds { get; init; } = 3600;
    /// <summary>New runs of a task after a failure.</summary>
    [Id(12)] public int MaxRetries { get; init; }
    /// <summary>What failures in a row do.</summary>
    [Id(13)] public string OnFailure { get; init; } = "continue";
    /// <summary>How many it takes.</summary>
    [Id(14)] public int MaxConsecutiveFailures { get; init; } = 3;
    /// <summary>What the next occurrence does while one runs.</summary>
    [Id(15)] public string OverlapPolicy { get; init; } = "skip";
    /// <summary>What is made up after downtime.</summary>
    [Id(16)] public string CatchUp { get; init; } = "last";
    /// <summary>And how far back.</summary>
    [Id(17)] public int CatchUpWindowSeconds { get; init; } = 24 * 3600;
    /// <summary>Spread of the occurrences.</summary>
    [Id(18)] public int JitterSeconds { get; init; }
    /// <summary>No occurrence before it.</summary>
    [Id(19)] public DateTimeOffset? StartAt { get; init; }
    /// <summary>No occurrence after it.</summary>
    [Id(20)] public DateTimeOffset? EndAt { get; init; }
    /// <summary>The user's labels.</summary>
    [Id(21)] public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>Notes of programs.</summary>
    [Id(22)] public ImmutableDictionary<string, string> Annotations { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>When the next occurrence is due, its jitter included; null when none is.</summary>
    [Id(23)] public DateTimeOffset? NextRunAt { get; init; }
    /// <summary>When the last one was started.</summary>
    [Id(24)] public DateTimeOffset? LastRunAt { get; init; }
    /// <summary>Its task.</summary>
    [Id(25)] public string? LastTaskId { get; init; }
    /// <summary>Occurrences that were started.</summary>
    [Id(26)] public long RunCount { get; init; }
    /// <summary>Occurrences that failed.</summary>
    [Id(27)] public long FailureCount { get; init; }
    /// <summary>Of them, the last ones in a row.</summary>
    [Id(28)] public int ConsecutiveFailures { get; init; }
    /// <summary>Occurrences that were skipped or missed.</summary>
    [Id(29)] public long SkippedCount { get; init; }
    /// <summary>How the last one that ended did end.</summary>
    [Id(30)] public OccurrenceStatus? LastStatus { get; init; }
    /// <summary>Who made it.</summary>
    [Id(31)] public string? CreatedBy { get; init; }
    /// <summary>When it was made.</summary>
    [Id(32)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(33)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Agent configuration of the sessions that it makes.</summary>
    [Id(34)] public string? AgentConfigId { get; init; }
    /// <summary>Profile of the sessions that it makes.</summary>
    [Id(35)] public string? ProfileId { get; init; }
}

/// <summary>One occurrence, or a stretch of missed ones.</summary>
[GenerateSerializer, Immutable, Alias("mn.schedule.occurrence.v1")]
public sealed record OccurrenceView
{
    /// <summary>The time that the expression gives, without jitter; for a manual one, when it was asked for.</summary>
    [Id(0)] public DateTimeOffset ScheduledAt { get; init; }
    /// <summary>Somebody asked for it.</summary>
    [Id(1)] public bool Manual { get; init; }
    /// <summary>State.</summary>
    [Id(2)] public OccurrenceStatus Status { get; init; }
    /// <summary>Why, in a sentence; empty when there is nothing to say.</summary>
    [Id(3)] public string Reason { get; init; } = "";
    /// <summary>Its number among those that were started, from 1; 0 = not started.</summary>
    [Id(4)] public long Number { get; init; }
    /// <summary>Its task; null when it has none.</summary>
    [Id(5)] public string? TaskId { get; init; }
    /// <summary>Session of the task.</summary>
    [Id(6)] public string? SessionId { get; init; }
    /// <summary>When its task was asked for.</summary>
    [Id(7)] public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When its end was seen.</summary>
    [Id(8)] public DateTimeOffset? EndedAt { get; init; }
    /// <summary>How many missed occurrences it stands for.</summary>
    [Id(9)] public int Count { get; init; } = 1;
    /// <summary>The last of them.</summary>
    [Id(10)] public DateTimeOffset? Until { get; init; }
}

/// <summary>Occurrences, newest first.</summary>
[GenerateSerializer, Immutable, Alias("mn.schedule.history.v1")]
public sealed record ScheduleHistory([property: Id(0)] ImmutableArray<OccurrenceView> Items);
