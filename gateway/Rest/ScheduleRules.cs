using System.Collections.Immutable;
using System.Globalization;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Schedules;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>What a schedule may ask for. What depends on several members together is the grain's to check, which knows the others.</summary>
internal static class ScheduleRules
{
    private const int MaxTemplate = 64 * 1024, Hour = 3600, SevenDays = 7 * 24 * Hour;

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static ScheduleChange Check(UpdateScheduledTaskModel body, bool isNew, Caller caller, SecretSealer sealer)
    {
        var errors = new FieldErrors();
        var change = Read(errors, body, caller);
        var session = Session(errors, body.Session, caller.Tenant, sealer);
        if (body.SessionId is not null && body.Session is not null) errors.Add("session", "does not go with session_id");
        if (isNew) Required(errors, body);
        var labels = change.Labels ?? ImmutableDictionary<string, string>.Empty;
        // A change of the template alone may name labels that the schedule has; the grain knows them.
        if (isNew && body.PromptTemplate is { Length: > 0 } template && PromptTemplate.Parse(template, labels, out var wrong) is null) errors.Add("prompt_template", wrong!);
        CronSchedule.TryParse(body.CronExpression ?? "* * * * *", body.Timezone ?? "UTC", out _, out var cronError, out var zoneError);
        if (cronError is not null && body.CronExpression is not null) errors.Add("cron_expression", cronError);
        if (zoneError is not null) errors.Add("timezone", zoneError);
        errors.ThrowIfAny();
        return change with { Session = session };
    }

    private static void Required(FieldErrors errors, UpdateScheduledTaskModel body)
    {
        if (string.IsNullOrWhiteSpace(body.Name)) errors.Add("name", "is required");
        if (string.IsNullOrWhiteSpace(body.CronExpression)) errors.Add("cron_expression", "is required");
        if (string.IsNullOrWhiteSpace(body.PromptTemplate)) errors.Add("prompt_template", "is required");
        if (body.SessionId is null && body.Session is null) errors.Add("session_id", "is required, unless session says what to make");
    }

    private static ScheduleChange Read(FieldErrors errors, UpdateScheduledTaskModel body, Caller caller) => new()
    {
        Name = errors.Text("name", body.Name, 200),
        Description = errors.Text("description", body.Description, 2000, multiline: true),
        CronExpression = errors.Text("cron_expression", body.CronExpression, 200),
        Timezone = errors.Text("timezone", body.Timezone, 64),
        PromptTemplate = Template(errors, body.PromptTemplate),
        SessionId = errors.Id("session_id", body.SessionId, EntityId.Session),
        AfterRun = Choice(errors, "after_run", body.AfterRun, "terminate", "suspend", "keep"),
        TimeoutSeconds = Number(errors, "timeout_seconds", body.TimeoutSeconds, 1, SevenDays),
        MaxRetries = Number(errors, "max_retries", body.MaxRetries, 0, 10),
        OnFailure = Choice(errors, "on_failure", body.OnFailure, "continue", "pause_on_failure", "disable_on_failure"),
        MaxConsecutiveFailures = Number(errors, "max_consecutive_failures", body.MaxConsecutiveFailures, 1, 1000),
        OverlapPolicy = Choice(errors, "overlap_policy", body.OverlapPolicy, "skip", "queue", "cancel_running"),
        CatchUp = Choice(errors, "catch_up", body.CatchUp, "last", "all", "none"),
        CatchUpWindowSeconds = Number(errors, "catch_up_window_seconds", body.CatchUpWindowSeconds, 0, SevenDays),
        JitterSeconds = Number(errors, "jitter_seconds", body.JitterSeconds, 0, Hour),
        StartAt = Moment(errors, "start_at", body.StartAt),
        EndAt = Moment(errors, "end_at", body.EndAt),
        Labels = body.Labels is null ? null : errors.Labels("labels", body.Labels),
        Annotations = body.Annotations is null ? null : errors.Labels("annotations", body.Annotations),
        By = caller.Actor,
    };

    private static string? Template(FieldErrors errors, string? text)
    {
        if (text is null) return null;
        if (FieldErrors.Utf8Length(text) > MaxTemplate) errors.Add("prompt_template", $"must have at most {MaxTemplate} bytes");
        else if (text.Contains('\0')) errors.Add("prompt_template", "must not hold U+0000");
        return text;
    }

    /// <summary>The session of each occurrence, checked like one that is made now.</summary>
    private static CreateSession? Session(FieldErrors errors, SessionTemplateModel? template, string tenant, SecretSealer sealer)
    {
        if (template is null) return null;
        try
        {
            return SessionRules.Check(template.ToSession(), tenant, "", sealer);
        }
        catch (MarionetteException fault) when (fault.Code == FaultCode.Invalid)
        {
            foreach (var error in fault.Errors) errors.Add($"session.{error.Field}", error.Message);
            return null;
        }
    }

    private static string? Choice(FieldErrors errors, string field, string? value, params ReadOnlySpan<string> choices) =>
        value is null ? null : errors.Choice(field, value, "", choices);

    private static int? Number(FieldErrors errors, string field, int? value, int min, int max) => value is null ? null : errors.Number(field, value, min, max, 0);

    private static DateTimeOffset? Moment(FieldErrors errors, string field, string? text)
    {
        if (text is null) return null;
        if (text.Length == 0) return DateTimeOffset.MinValue;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            && time.Year is > 1970 and < 9000) return time;
        errors.Add(field, "must be a time such as 2027-01-31T08:00:00Z");
        return null;
    }
}
