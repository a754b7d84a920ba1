using System.Collections.Immutable;

namespace Marionette.Schedules;

/// <content>Making and changing a schedule.</content>
internal static partial class ScheduleMachine
{
    private static readonly string[] AfterRuns = ["terminate", "suspend", "keep"];
    private static readonly string[] FailurePolicies = ["continue", "pause_on_failure", "disable_on_failure"];
    private static readonly string[] OverlapPolicies = ["skip", "queue", "cancel_running"];
    private static readonly string[] CatchUps = ["last", "all", "none"];

    private const int Hour = 3600, Week = 7 * 24 * Hour;

    public static ScheduleRecord Create(string id, ScheduleChange change, DateTimeOffset now)
    {
        var fresh = new ScheduleRecord
        {
            Id = id, Status = ScheduleStatus.Active, Cursor = now, CreatedBy = change.By, CreatedAt = now,
        };
        return WithNext(Checked(Merge(fresh, change, now)));
    }

    public static ScheduleRecord Update(ScheduleRecord state, ScheduleChange change, DateTimeOffset now)
    {
        var changed = Checked(Merge(state, change, now));
        var otherTimes = changed.CronExpression != state.CronExpression || changed.Timezone != state.Timezone
            || changed.StartAt != state.StartAt || changed.EndAt != state.EndAt || changed.JitterSeconds != state.JitterSeconds;
        if (!otherTimes) return changed;
        // An ended schedule with other dates has occurrences again; what was due before the change stays decided.
        if (changed.Status == ScheduleStatus.Ended) changed = changed with { Status = ScheduleStatus.Active, Reason = "" };
        return WithNext(changed with { Cursor = now });
    }

    private static ScheduleRecord Merge(ScheduleRecord s, ScheduleChange c, DateTimeOffset now) => s with
    {
        Name = c.Name ?? s.Name,
        Description = c.Description is null ? s.Description : c.Description.Length == 0 ? null : c.Description,
        CronExpression = c.CronExpression ?? s.CronExpression,
        Timezone = c.Timezone ?? s.Timezone,
        PromptTemplate = c.PromptTemplate ?? s.PromptTemplate,
        SessionId = c.Session is not null ? null : c.SessionId ?? s.SessionId,
        Session = c.SessionId is not null ? null : c.Session ?? s.Session,
        AgentConfigId = c.Session is { } session ? session.AgentConfigId : c.SessionId is not null ? null : s.AgentConfigId,
        ProfileId = c.Session is { } made ? made.ProfileId : c.SessionId is not null ? null : s.ProfileId,
        AfterRun = c.AfterRun ?? s.AfterRun,
        TimeoutSeconds = c.TimeoutSeconds ?? s.TimeoutSeconds,
        MaxRetries = c.MaxRetries ?? s.MaxRetries,
        OnFailure = c.OnFailure ?? s.OnFailure,
        MaxConsecutiveFailures = c.MaxConsecutiveFailures ?? s.MaxConsecutiveFailures,
        OverlapPolicy = c.OverlapPolicy ?? s.OverlapPolicy,
        CatchUp = c.CatchUp ?? s.CatchUp,
        CatchUpWindowSeconds = c.CatchUpWindowSeconds ?? s.CatchUpWindowSeconds,
        JitterSeconds = c.JitterSeconds ?? s.JitterSeconds,
        StartAt = Moment(c.StartAt, s.StartAt),
        EndAt = Moment(c.EndAt, s.EndAt),
        Labels = c.Labels ?? s.Labels,
        Annotations = c.Annotations ?? s.Annotations,
        UpdatedAt = now,
    };

    private static DateTimeOffset? Moment(DateTimeOffset? change, DateTimeOffset? old) =>
        change is null ? old : change == DateTimeOffset.MinValue ? null : change.Value.ToUniversalTime();

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    private static ScheduleRecord Checked(ScheduleRecord s)
    {
        var errors = ImmutableArray.CreateBuilder<FieldError>();
        if (s.Name.Length == 0) Add("name", "is required");
        if (s.SessionId is null && s.Session is null) Add("session_id", "is required, unless session says what to make");
        CronSchedule.TryParse(s.CronExpression, s.Timezone, out _, out var cronError, out var zoneError);
        if (cronError is not null) Add("cron_expression", cronError);
        if (zoneError is not null) Add("timezone", zoneError);
        if (string.IsNullOrWhiteSpace(s.PromptTemplate)) Add("prompt_template", "is required");
        else if (PromptTemplate.Parse(s.PromptTemplate, s.Labels, out var templateError) is null) Add("prompt_template", templateError!);
        Choice("after_run", s.AfterRun, AfterRuns);
        Choice("on_failure", s.OnFailure, FailurePolicies);
        Choice("overlap_policy", s.OverlapPolicy, OverlapPolicies);
        Choice("catch_up", s.CatchUp, CatchUps);
        Range("timeout_seconds", s.TimeoutSeconds, 1, Week);
        Range("max_retries", s.MaxRetries, 0, 10);
        Range("max_consecutive_failures", s.MaxConsecutiveFailures, 1, 1000);
        Range("catch_up_window_seconds", s.CatchUpWindowSeconds, 0, Week);
        Range("jitter_seconds", s.JitterSeconds, 0, Hour);
        if (s.EndAt <= s.StartAt) Add("end_at", "must lie after start_at");
        return errors.Count == 0 ? s : throw new MarionetteException(errors.ToImmutable());

        void Add(string field, string message) => errors.Add(new FieldError(field, message));

        void Choice(string field, string value, string[] choices)
        {
            if (!choices.Contains(value)) Add(field, $"must be one of {string.Join(", ", choices)}");
        }

        void Range(string field, int value, int min, int max)
        {
            if (value < min || value > max) Add(field, $"must be from {min} to {max}");
        }
    }
}
