using System.Collections.Immutable;
using Marionette.Schedules;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests.Schedules;

/// <summary>A schedule whose clock, tasks and crashes the test has in its hands.</summary>
internal sealed class Plan
{
    public const string Id = "stsk_0VbllCRb00000001", SessionId = "sess_0VbllCRb00000001";

    public static readonly DateTimeOffset Begin = new(2026, 1, 1, 0, 0, 30, TimeSpan.Zero);

    public Plan(ScheduleChange? more = null) => State = ScheduleMachine.Create(Id, Change(more), Begin);

    public ScheduleRecord State { get; set; }

    public DateTimeOffset Now { get; private set; } = Begin;

    public IEnumerable<OccurrenceView> All => State.Live.Select(o => o.View).Concat(State.History);

    public LiveOccurrence Active => State.Live.Single(o => o.IsActive);

    /// <summary>Every minute, into a session of the user's.</summary>
    public static ScheduleChange Change(ScheduleChange? more = null) => (more ?? new ScheduleChange()) with
    {
        Name = more?.Name ?? "every minute",
        CronExpression = more?.CronExpression ?? "* * * * *",
        PromptTemplate = more?.PromptTemplate ?? "do it",
        SessionId = more?.Session is null ? more?.SessionId ?? SessionId : null,
    };

    public static CreateSession Template(string? config = null) => new(
        null, "command", null, null, null, [], null, null, config, "on_demand", null, "open", [], ImmutableDictionary<string, string>.Empty, "default", 1800, false,
        ["true"]);

    public Plan Pass(TimeSpan time)
    {
        Now += time;
        return this;
    }

    public Plan Tick()
    {
        State = ScheduleMachine.Tick(State, Now);
        return this;
    }

    /// <summary>To the next full minute and a moment.</summary>
    public Plan NextMinute() => Pass(TimeSpan.FromTicks(TimeSpan.TicksPerMinute - Now.Ticks % TimeSpan.TicksPerMinute) + TimeSpan.FromMilliseconds(20)).Tick();

    public Plan Submit()
    {
        State = ScheduleMachine.Submitted(State, Active.View.TaskId!, Now);
        return this;
    }

    public Plan End(TaskState how, string? result = null, string? error = null)
    {
        var task = new TaskView
        {
            Id = Active.View.TaskId!, SessionId = Active.View.SessionId!, Prompt = "", Status = how, Result = result,
            Error = error is null ? null : new RunError("model_error", error),
        };
        State = ScheduleMachine.Observed(State, task, Now);
        return this;
    }
}
