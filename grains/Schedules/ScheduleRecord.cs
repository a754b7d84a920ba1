using System.Collections.Immutable;

namespace Marionette.Schedules;

/// <summary>A schedule's row: its view, and what its decisions need beside it. All effects are derived from here, again after any crash.</summary>
internal sealed record ScheduleRecord : ScheduleView
{
    /// <summary>Every occurrence up to here has been decided: nominal time, without jitter.</summary>
    public DateTimeOffset Cursor { get; init; }

    /// <summary>Occurrences that are not through yet, oldest first.</summary>
    public ImmutableArray<LiveOccurrence> Live { get; init; } = [];

    /// <summary>Occurrences that are, newest first.</summary>
    public ImmutableArray<OccurrenceView> History { get; init; } = [];

    /// <summary>What the last completed task said, cut to <see cref="ScheduleMachine.LastResultLength"/>.</summary>
    public string? LastResult { get; init; }

    /// <summary>It is being removed: only its own sessions are still to be ended.</summary>
    public bool Deleting { get; init; }

    /// <summary>What others may see: a copy without the rest.</summary>
    public ScheduleView ToView() => new()
    {
        Id = Id, Name = Name, Description = Description, Status = Status, Reason = Reason, CronExpression = CronExpression, Timezone = Timezone,
        PromptTemplate = PromptTemplate, SessionId = SessionId, Session = Session, AfterRun = AfterRun, TimeoutSeconds = TimeoutSeconds,
        MaxRetries = MaxRetries, OnFailure = OnFailure, MaxConsecutiveFailures = MaxConsecutiveFailures, OverlapPolicy = OverlapPolicy, CatchUp = CatchUp,
        CatchUpWindowSeconds = CatchUpWindowSeconds, JitterSeconds = JitterSeconds, StartAt = StartAt, EndAt = EndAt, Labels = Labels,
        Annotations = Annotations, NextRunAt = NextRunAt, LastRunAt = LastRunAt, LastTaskId = LastTaskId, RunCount = RunCount,
        FailureCount = FailureCount, ConsecutiveFailures = ConsecutiveFailures, SkippedCount = SkippedCount, LastStatus = LastStatus,
        CreatedBy = CreatedBy, AgentConfigId = AgentConfigId, ProfileId = ProfileId, CreatedAt = CreatedAt, UpdatedAt = UpdatedAt,
    };
}

/// <summary>An occurrence that is not through yet.</summary>
internal sealed record LiveOccurrence
{
    public required OccurrenceView View { get; init; }

    /// <summary>What its task asks; rendered when it starts, dropped when the task is queued.</summary>
    public string? Prompt { get; init; }

    /// <summary>Its session was made for it alone.</summary>
    public bool OwnSession { get; init; }

    /// <summary>A newer occurrence wants its place: its task is to be canceled.</summary>
    public bool CancelAsked { get; init; }

    /// <summary>Its task has ended; what is left to do is to end its session.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsOver => View.Status >= OccurrenceStatus.Completed;

    /// <summary>It has the place that only one occurrence has.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsActive => View.Status is OccurrenceStatus.Starting or OccurrenceStatus.Running;
}
