using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.Schedules;

/// <summary>Members of a schedule to set; null leaves one as it is, or at its default in a new schedule.</summary>
[GenerateSerializer, Immutable, Alias("mn.schedule.change.v1")]
public sealed record ScheduleChange
{
    /// <summary>For people.</summary>
    [Id(0)] public string? Name { get; init; }
    /// <summary>For people; "" unsets it.</summary>
    [Id(1)] public string? Description { get; init; }
    /// <summary>See <see cref="CronSchedule"/>.</summary>
    [Id(2)] public string? CronExpression { get; init; }
    /// <summary>IANA time zone. Default UTC.</summary>
    [Id(3)] public string? Timezone { get; init; }
    /// <summary>See <see cref="PromptTemplate"/>.</summary>
    [Id(4)] public string? PromptTemplate { get; init; }
    /// <summary>The session that the tasks run in; takes the place of <see cref="Session"/>.</summary>
    [Id(5)] public string? SessionId { get; init; }
    /// <summary>A session to make for each occurrence; takes the place of <see cref="SessionId"/>. Without secrets.</summary>
    [Id(6)] public CreateSession? Session { get; init; }
    /// <summary>What becomes of such a session when its task has ended: "terminate" (default), "suspend", "keep".</summary>
    [Id(7)] public string? AfterRun { get; init; }
    /// <summary>Limit of each run, in seconds. Default 3600.</summary>
    [Id(8)] public int? TimeoutSeconds { get; init; }
    /// <summary>New runs of a task after a failure. Default 0.</summary>
    [Id(9)] public int? MaxRetries { get; init; }
    /// <summary>"continue" (default), "pause_on_failure", "disable_on_failure": after <see cref="MaxConsecutiveFailures"/> in a row.</summary>
    [Id(10)] public string? OnFailure { get; init; }
    /// <summary>Default 3.</summary>
    [Id(11)] public int? MaxConsecutiveFailures { get; init; }
    /// <summary>While an occurrence runs, the next one is: "skip" (default), "queue", "cancel_running".</summary>
    [Id(12)] public string? OverlapPolicy { get; init; }
    /// <summary>After downtime: "last" (default), "all", "none".</summary>
    [Id(13)] public string? CatchUp { get; init; }
    /// <summary>Older occurrences are not made up. Default one day.</summary>
    [Id(14)] public int? CatchUpWindowSeconds { get; init; }
    /// <summary>Each occurrence comes later by a part of this that is its own. Default 0.</summary>
    [Id(15)] public int? JitterSeconds { get; init; }
    /// <summary>No occurrence before it; the minimum value unsets it.</summary>
    [Id(16)] public DateTimeOffset? StartAt { get; init; }
    /// <summary>No occurrence after it; the minimum value unsets it.</summary>
    [Id(17)] public DateTimeOffset? EndAt { get; init; }
    /// <summary>Labels of the schedule and of its tasks; all of them.</summary>
    [Id(18)] public ImmutableDictionary<string, string>? Labels { get; init; }
    /// <summary>Notes of programs; all of them.</summary>
    [Id(19)] public ImmutableDictionary<string, string>? Annotations { get; init; }
    /// <summary>Who made the change.</summary>
    [Id(20)] public string? By { get; init; }
}
