using System.Diagnostics.CodeAnalysis;
using Cronos;

namespace Marionette.Schedules;

/// <summary>
/// When a schedule is due: a cron expression of five fields, or six with seconds first, in an IANA time zone. Where clocks are put forward, a time that is
/// skipped comes at the first moment after the gap; where they are put back, a fixed time comes once, the first time, and one with an
/// interval (<c>*/10</c>, <c>*</c>) comes in both hours.
/// </summary>
public sealed class CronSchedule
{
    private readonly CronExpression expression;
    private readonly TimeZoneInfo zone;

    private CronSchedule(CronExpression expression, TimeZoneInfo zone) => (this.expression, this.zone) = (expression, zone);

    /// <summary>Its time zone.</summary>
    public TimeZoneInfo Zone => zone;

    /// <summary>Reads both; false with the message for each that is wrong.</summary>
    public static bool TryParse(
        string cron, string timezone, [NotNullWhen(true)] out CronSchedule? schedule, out string? cronError, out string? timezoneError)
    {
        var fields = cron.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Length;
        var isCron = CronExpression.TryParse(cron, fields == 6 ? CronFormat.IncludeSeconds : CronFormat.Standard, out var expression);
        cronError = isCron ? null : "must be a cron expression of five fields (minute, hour, day of month, month, day of week), or six with seconds first";
        timezoneError = FindZone(timezone, out var zone) ? null : "must be an IANA time zone such as Europe/Berlin, or UTC";
        schedule = isCron && zone is not null ? new CronSchedule(expression!, zone) : null;
        if (schedule is not null && schedule.After(DateTimeOffset.UnixEpoch) is null)
        {
            cronError = "names a date that never comes";
            schedule = null;
        }

        return schedule is not null;
    }

    /// <summary>The first time after this one; null when none comes any more.</summary>
    public DateTimeOffset? After(DateTimeOffset time) =>
        expression.GetNextOccurrence(time.UtcDateTime, zone) is { } next ? new DateTimeOffset(next, TimeSpan.Zero) : null;

    private static bool FindZone(string id, [NotNullWhen(true)] out TimeZoneInfo? zone)
    {
        zone = null;
        // The id becomes a path below the time zone folder.
        if (id.Length is 0 or > 64 || id.Contains("..", StringComparison.Ordinal) || !id.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+')) return false;
        if (id[0] == '/') return false;
        return TimeZoneInfo.TryFindSystemTimeZoneById(id, out zone);
    }
}
