using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Schedules;

/// <content>The clock's side: which occurrences are due, which of them run, and in which order.</content>
internal static partial class ScheduleMachine
{
    /// <summary>An occurrence that is later than this was missed by downtime, and the catch-up policy decides; up to it, it merely comes late.</summary>
    public static readonly TimeSpan Punctual = TimeSpan.FromMinutes(2);

    /// <summary>Missed occurrences of longer ago are told of as one stretch without being counted.</summary>
    private static readonly TimeSpan Horizon = TimeSpan.FromDays(8);

    /// <summary>Occurrences that are made up at once.</summary>
    private const int CatchUpLimit = QueueLength;

    /// <summary>By how much this occurrence comes later: always the same for the same one.</summary>
    public static TimeSpan JitterOf(ScheduleRecord state, DateTimeOffset scheduledAt)
    {
        if (state.JitterSeconds <= 0) return TimeSpan.Zero;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"jitter|{state.Id}|{scheduledAt.ToUnixTimeMilliseconds()}"), digest);
        return TimeSpan.FromMilliseconds(BinaryPrimitives.ReadUInt64LittleEndian(digest) % ((ulong)state.JitterSeconds * 1000 + 1));
    }

    /// <summary>The state with the time of its next occurrence, or ended when none comes.</summary>
    public static ScheduleRecord WithNext(ScheduleRecord state)
    {
        if (state.Status != ScheduleStatus.Active) return state with { NextRunAt = null };
        if (ClockOf(state) is not { } clock)
            return state with { Status = ScheduleStatus.Disabled, Reason = "Its time zone is not known on this host any more.", NextRunAt = null };
        return NextAfter(state, clock, state.Cursor) is { } next
            ? state with { NextRunAt = next + JitterOf(state, next) }
            : state with { Status = ScheduleStatus.Ended, Reason = "Its last occurrence has passed.", NextRunAt = null };
    }

    private static ScheduleRecord TakeDue(ScheduleRecord state, DateTimeOffset now)
    {
        if (state.Status != ScheduleStatus.Active || state.NextRunAt > now || ClockOf(state) is not { } clock) return state;
        var due = DueOf(state, clock, now);
        if (due.Last is not { } last) return state;
        state = state with { Cursor = last, UpdatedAt = now };
        if (due.Missed is { } missed)
            state = Remember(state, missed with { EndedAt = now }) with { SkippedCount = state.SkippedCount + missed.Count };
        foreach (var time in due.Run) state = Arrive(state, time, now);
        return WithNext(state);
    }

    /// <summary>What has become due: those that run, and the stretch that is given up.</summary>
    private static Due DueOf(ScheduleRecord state, CronSchedule clock, DateTimeOffset now)
    {
        var (punctual, late) = (new List<DateTimeOffset>(), new Queue<DateTimeOffset>());
        OccurrenceView? missed = null;
        DateTimeOffset? last = null;
        var from = state.Cursor;
        if (from < now - Horizon && NextAfter(state, clock, from) is { } lost && lost <= now - Horizon)
        {
            Miss(lost);
            last = from = now - Horizon;
        }

        for (var at = NextAfter(state, clock, from); at is { } time && time + JitterOf(state, time) <= now; at = NextAfter(state, clock, time))
        {
            last = time;
            if (time >= now - Punctual - TimeSpan.FromSeconds(state.JitterSeconds))
            {
                punctual.Add(time);
                continue;
            }

            late.Enqueue(time);
            if (late.Count > Kept(state) || late.Peek() < now - TimeSpan.FromSeconds(state.CatchUpWindowSeconds)) Miss(late.Dequeue());
        }

        // Beside an occurrence that is on time, the last missed one has nothing to make up.
        while (late.Count > 0 && state.CatchUp == "last" && punctual.Count > 0) Miss(late.Dequeue());
        return new Due(last, [.. late, .. punctual], missed);

        void Miss(DateTimeOffset time) => missed = missed is null
            ? new OccurrenceView { ScheduledAt = time, Until = time, Status = OccurrenceStatus.Missed, Reason = "It was due while the system was down." }
            : missed with { Until = time, Count = missed.Count + 1 };
    }

    private static int Kept(ScheduleRecord state) => state.CatchUp switch { "none" => 0, "all" => CatchUpLimit, _ => 1 };

    /// <summary>A due occurrence takes its place, or the overlap policy says what becomes of it.</summary>
    private static ScheduleRecord Arrive(ScheduleRecord state, DateTimeOffset time, DateTimeOffset now)
    {
        var view = new OccurrenceView { ScheduledAt = time, Status = OccurrenceStatus.Waiting, TaskId = TaskIdOf(state.Id, time) };
        // Decided before, by an activation whose cursor was lost: it cannot be, but a second task would be the worst answer.
        if (IndexOf(state, view.TaskId!) >= 0) return state;
        var busy = state.Live.Any(o => o.IsActive || o.View.Status == OccurrenceStatus.Waiting);
        if (!busy) return Start(Queued(state, view), state.Live.Length, now);
        switch (state.OverlapPolicy)
        {
            case "queue" when state.Live.Count(o => o.View.Status == OccurrenceStatus.Waiting) < QueueLength:
                return Queued(state, view);
            case "queue":
                return Skip(state, view, $"{QueueLength} occurrences wait already.", now);
            case "cancel_running":
                foreach (var waiting in state.Live.Where(o => o.View.Status == OccurrenceStatus.Waiting))
                    state = Skip(state with { Live = state.Live.Remove(waiting) }, waiting.View, "A newer occurrence took its place.", now);
                return Queued(state, view) with
                {
                    Live = [.. state.Live.Select(o => o.IsActive && !o.View.Manual ? o with { CancelAsked = true } : o), new LiveOccurrence { View = view }],
                };
            default:
                return Skip(state, view, "The occurrence before it was still running.", now);
        }
    }

    private static ScheduleRecord Queued(ScheduleRecord state, OccurrenceView view) =>
        state with { Live = state.Live.Add(new LiveOccurrence { View = view }) };

    private static ScheduleRecord StartWaiting(ScheduleRecord state, DateTimeOffset now)
    {
        if (state.Live.Any(o => o.IsActive)) return state;
        for (var i = 0; i < state.Live.Length; i++)
            if (state.Live[i].View.Status == OccurrenceStatus.Waiting) return Start(state, i, now);
        return state;
    }

    private static ScheduleRecord Start(ScheduleRecord state, int at, DateTimeOffset now)
    {
        var view = state.Live[at].View;
        var number = state.RunCount + 1;
        var started = new LiveOccurrence
        {
            OwnSession = state.Session is not null,
            Prompt = Render(state, view, number, now),
            View = view with
            {
                Status = OccurrenceStatus.Starting, Number = number, StartedAt = now,
                SessionId = state.Session is null ? state.SessionId : SessionIdOf(view.TaskId!),
            },
        };
        state = state with
        {
            Live = state.Live.SetItem(at, started), RunCount = number, LastRunAt = now, LastTaskId = view.TaskId, UpdatedAt = now,
        };
        return started.Prompt!.Length <= PromptLength
            ? state
            : End(state, view.TaskId!, OccurrenceStatus.Failed, $"The prompt would have {started.Prompt.Length} characters; {PromptLength} are allowed.", now);
    }

    private static string Render(ScheduleRecord state, OccurrenceView view, long number, DateTimeOffset now)
    {
        var zone = ClockOf(state)?.Zone ?? TimeZoneInfo.Utc;
        var template = PromptTemplate.Parse(state.PromptTemplate, state.Labels, out _);
        return template is null ? state.PromptTemplate : template.Render(name => name switch
        {
            "now" => Local(now, zone),
            "scheduled_at" => Local(view.ScheduledAt, zone),
            "date" => TimeZoneInfo.ConvertTime(view.ScheduledAt, zone).ToString("yyyy-MM-dd"),
            "run_number" => number.ToString(),
            "run_count" => (number - 1).ToString(),
            "last_result" => state.LastResult ?? "",
            "last_status" => state.LastStatus?.ToString().ToLowerInvariant() ?? "",
            "last_task_id" => state.LastTaskId ?? "",
            "schedule_id" => state.Id,
            "schedule_name" => state.Name,
            _ => PromptTemplate.LabelOf(name) is { } key ? state.Labels.GetValueOrDefault(key, "") : "",
        });
    }

    private static string Local(DateTimeOffset time, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(time, zone).ToString("yyyy-MM-dd'T'HH:mm:sszzz");

    private static DateTimeOffset? NextAfter(ScheduleRecord state, CronSchedule clock, DateTimeOffset time)
    {
        // One tick before the start: an occurrence at that very moment counts.
        if (state.StartAt is { } start && time < start) time = start.AddTicks(-1);
        return clock.After(time) is { } next && !(next > state.EndAt) ? next : null;
    }

    private static CronSchedule? ClockOf(ScheduleRecord state) =>
        CronSchedule.TryParse(state.CronExpression, state.Timezone, out var clock, out _, out _) ? clock : null;

    private readonly record struct Due(DateTimeOffset? Last, ImmutableArray<DateTimeOffset> Run, OccurrenceView? Missed);
}
