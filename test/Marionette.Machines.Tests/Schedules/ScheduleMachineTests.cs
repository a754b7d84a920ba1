using System.Collections.Immutable;
using Marionette.Schedules;
using Marionette.Tasks;

namespace Marionette.Machines.Tests.Schedules;

public sealed class ScheduleMachineTests
{
    [Fact]
    public void Tick_BeforeTheTime_ChangesNothing()
    {
        var plan = new Plan();
        var before = plan.State;
        Assert.Same(before, plan.Pass(TimeSpan.FromSeconds(29)).Tick().State);
        Assert.Equal(Plan.Begin.AddSeconds(30), plan.State.NextRunAt);
    }

    [Fact]
    public void Tick_AtTheTime_StartsOne_AndOnceOnly()
    {
        var plan = new Plan().NextMinute();
        var occurrence = plan.Active;
        Assert.Equal(OccurrenceStatus.Starting, occurrence.View.Status);
        Assert.Equal(ScheduleMachine.TaskIdOf(Plan.Id, Plan.Begin.AddSeconds(30)), occurrence.View.TaskId);
        Assert.True(EntityId.Is(EntityId.Task, occurrence.View.TaskId));
        Assert.Equal(Plan.Begin.AddSeconds(90), plan.State.NextRunAt);

        var once = plan.State;
        Assert.Same(once, plan.Tick().State);
        Assert.Equal((1, 0), (plan.State.RunCount, plan.State.SkippedCount));
    }

    [Fact]
    public void Outcome_Completed_GivesTheNextPromptItsResult()
    {
        var plan = new Plan(new ScheduleChange
        {
            PromptTemplate = "{{run_number}}/{{run_count}} {{last_status}}:{{last_result}} {{scheduled_at}} {{labels.team}}", Timezone = "Europe/Berlin",
            Labels = ImmutableDictionary<string, string>.Empty.Add("team", "web"),
        }).NextMinute();
        Assert.Equal("1/0 : 2026-01-01T01:01:00+01:00 web", plan.Active.Prompt);
        plan.Submit().End(TaskState.Completed, "42").NextMinute();
        Assert.Equal("2/1 completed:42 2026-01-01T01:02:00+01:00 web", plan.Active.Prompt);
        Assert.Equal(OccurrenceStatus.Completed, plan.State.History[0].Status);
        Assert.Null(plan.Submit().Active.Prompt); // the session has it now
    }

    [Fact]
    public void Overlap_Skip_LeavesTheNextOneOut()
    {
        var plan = new Plan().NextMinute().Submit().NextMinute();
        Assert.Equal(OccurrenceStatus.Skipped, Assert.Single(plan.State.History).Status);
        Assert.Equal((1, 1), (plan.State.RunCount, plan.State.SkippedCount));
        plan.End(TaskState.Completed).NextMinute();
        Assert.Equal(2, plan.State.RunCount);
    }

    [Fact]
    public void Overlap_Queue_RunsThemOneAfterAnother()
    {
        var plan = new Plan(new ScheduleChange { OverlapPolicy = "queue" }).NextMinute().Submit().NextMinute().NextMinute();
        Assert.Equal([OccurrenceStatus.Running, OccurrenceStatus.Waiting, OccurrenceStatus.Waiting], plan.State.Live.Select(o => o.View.Status));
        plan.End(TaskState.Failed, error: "no");
        Assert.Equal([OccurrenceStatus.Starting, OccurrenceStatus.Waiting], plan.State.Live.Select(o => o.View.Status));
        Assert.Equal(Plan.Begin.AddSeconds(90), plan.Active.View.ScheduledAt);
    }

    [Fact]
    public void Overlap_Queue_IsBounded()
    {
        var plan = new Plan(new ScheduleChange { OverlapPolicy = "queue" }).NextMinute().Submit();
        for (var i = 0; i < ScheduleMachine.QueueLength + 5; i++) plan.NextMinute();
        Assert.Equal(ScheduleMachine.QueueLength, plan.State.Live.Count(o => o.View.Status == OccurrenceStatus.Waiting));
        Assert.Equal(5, plan.State.SkippedCount);
    }

    [Fact]
    public void Overlap_CancelRunning_AsksForTheEnd_AndTheNewestGoesOn()
    {
        var plan = new Plan(new ScheduleChange { OverlapPolicy = "cancel_running" }).NextMinute().Submit().NextMinute();
        Assert.True(plan.Active.CancelAsked);
        plan.NextMinute(); // The first has not ended yet: the newest takes the place of the one that waited.
        Assert.Equal(1, plan.State.SkippedCount);
        plan.End(TaskState.Canceled);
        Assert.Equal(Plan.Begin.AddSeconds(150), plan.Active.View.ScheduledAt);
        Assert.False(plan.Active.CancelAsked);
        Assert.Equal(0, plan.State.FailureCount);
    }

    [Theory]
    [InlineData("none", 0, 10)]
    [InlineData("last", 1, 9)]
    [InlineData("all", 10, 0)]
    public void Downtime_CatchUp_RunsWhatThePolicySays(string policy, int runs, int missed)
    {
        var plan = new Plan(new ScheduleChange { CronExpression = "0 * * * *", CatchUp = policy, OverlapPolicy = "queue" });
        plan.Pass(TimeSpan.FromMinutes(10 * 60 + 30)).Tick(); // 01:00 to 10:00 were due
        Assert.Equal(runs, plan.State.Live.Length);
        Assert.Equal(missed, plan.State.SkippedCount);
        if (missed > 0) Assert.Equal((OccurrenceStatus.Missed, missed), (plan.State.History[0].Status, plan.State.History[0].Count));
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 11, 0, 0, TimeSpan.Zero), plan.State.NextRunAt);
    }

    [Fact]
    public void Downtime_LongerThanTheWindow_IsNotMadeUp()
    {
        var plan = new Plan(new ScheduleChange { CronExpression = "0 * * * *", CatchUp = "all", CatchUpWindowSeconds = 2 * 3600, OverlapPolicy = "queue" });
        plan.Pass(TimeSpan.FromMinutes(10 * 60 + 30)).Tick();
        Assert.Equal([9, 10], plan.State.Live.Select(o => o.View.ScheduledAt.Hour));
        Assert.Equal(8, plan.State.SkippedCount);
    }

    [Fact]
    public void Downtime_ShortOne_LosesNothing_WhateverThePolicy()
    {
        var plan = new Plan(new ScheduleChange { CatchUp = "none", OverlapPolicy = "queue" });
        plan.Pass(TimeSpan.FromSeconds(100)).Tick(); // 00:01:00 and 00:02:00, both of less than two minutes ago
        Assert.Equal(2, plan.State.Live.Length);
    }

    [Fact]
    public void Downtime_OfYears_IsOneStretch_AndQuick()
    {
        var plan = new Plan(new ScheduleChange { CronExpression = "* * * * * *", OverlapPolicy = "queue" });
        plan.Pass(TimeSpan.FromDays(900));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        plan.Tick();
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
        Assert.Equal(OccurrenceStatus.Missed, plan.State.History[^1].Status);
        Assert.True(plan.State.NextRunAt > plan.Now);
        Assert.InRange(plan.State.Live.Length, 1, ScheduleMachine.QueueLength + 1);
    }

    [Theory]
    [InlineData("continue", ScheduleStatus.Active)]
    [InlineData("pause_on_failure", ScheduleStatus.Paused)]
    [InlineData("disable_on_failure", ScheduleStatus.Disabled)]
    public void Failures_InARow_DoWhatThePolicySays(string policy, ScheduleStatus status)
    {
        var plan = new Plan(new ScheduleChange { OnFailure = policy, MaxConsecutiveFailures = 2 });
        plan.NextMinute().Submit().End(TaskState.Failed, error: "one");
        plan.NextMinute().Submit().End(TaskState.Completed);
        plan.NextMinute().Submit().End(TaskState.TimedOut, error: "two");
        Assert.Equal(ScheduleStatus.Active, plan.State.Status);
        plan.NextMinute().Submit().End(TaskState.Failed, error: "three");
        Assert.Equal(status, plan.State.Status);
        Assert.Equal((3, 2), (plan.State.FailureCount, plan.State.ConsecutiveFailures));
        if (status != ScheduleStatus.Active) Assert.Contains("three", plan.State.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Refused_SessionGone_DisablesTheSchedule()
    {
        var plan = new Plan().NextMinute();
        plan.State = ScheduleMachine.Refused(plan.State, plan.Active.View.TaskId!, FaultCode.SessionClosed, "The session has ended.", plan.Now);
        Assert.Equal(ScheduleStatus.Disabled, plan.State.Status);
        Assert.Null(plan.State.NextRunAt);
        Assert.Equal((OccurrenceStatus.Failed, 1L), (plan.State.History[0].Status, plan.State.FailureCount));
    }

    [Fact]
    public void Pause_Resume_MissesNothingAndRunsNothingOfBetween()
    {
        var plan = new Plan(new ScheduleChange { OverlapPolicy = "queue" }).NextMinute().Submit().NextMinute();
        plan.State = ScheduleMachine.Pause(plan.State, "by ann", plan.Now);
        Assert.Equal(OccurrenceStatus.Skipped, plan.State.History[0].Status); // the one that waited
        plan.NextMinute().NextMinute();
        Assert.Single(plan.State.Live); // what ran goes on
        plan.State = ScheduleMachine.Resume(plan.State, plan.Now);
        Assert.Equal(1, plan.State.SkippedCount);
        Assert.Equal(plan.Now.AddMinutes(1).Minute, plan.State.NextRunAt!.Value.Minute);
        plan.End(TaskState.Completed).NextMinute();
        Assert.Equal(2, plan.State.RunCount);
    }

    [Fact]
    public void Trigger_IsAnOccurrence_EvenWhilePausedOrBusy_AndOnceForItsId()
    {
        var plan = new Plan().NextMinute().Submit();
        plan.State = ScheduleMachine.Pause(plan.State, "by ann", plan.Now);
        var task = EntityId.New(EntityId.Task, plan.Now);
        plan.State = ScheduleMachine.Trigger(plan.State, task, plan.Now);
        var once = plan.State;
        Assert.Same(once, ScheduleMachine.Trigger(plan.State, task, plan.Now));
        Assert.Equal([false, true], plan.State.Live.Select(o => o.View.Manual));
        Assert.Equal(2, plan.State.RunCount);
    }

    [Fact]
    public void StartAndEnd_BoundTheOccurrences_AndThenItHasEnded()
    {
        var plan = new Plan(new ScheduleChange { StartAt = Plan.Begin.AddSeconds(90), EndAt = Plan.Begin.AddSeconds(150) });
        Assert.Equal(Plan.Begin.AddSeconds(90), plan.State.NextRunAt); // the start itself counts
        plan.Pass(TimeSpan.FromSeconds(90)).Tick().Submit().End(TaskState.Completed).NextMinute();
        Assert.Equal((ScheduleStatus.Ended, 2L), (plan.State.Status, plan.State.RunCount));
        Assert.Equal(FaultCode.Conflict, Assert.Throws<MarionetteException>(() => ScheduleMachine.Resume(plan.State, plan.Now)).Code);
        plan.State = ScheduleMachine.Update(plan.State, new ScheduleChange { EndAt = DateTimeOffset.MinValue }, plan.Now);
        Assert.Equal(ScheduleStatus.Active, plan.State.Status);
    }

    [Fact]
    public void Jitter_IsBoundedAndAlwaysTheSame()
    {
        var plan = new Plan(new ScheduleChange { CronExpression = "0 * * * *", JitterSeconds = 600 });
        var times = Enumerable.Range(1, 200).Select(h => Plan.Begin.AddHours(h)).Select(t => ScheduleMachine.JitterOf(plan.State, t)).ToList();
        Assert.All(times, t => Assert.InRange(t, TimeSpan.Zero, TimeSpan.FromSeconds(600)));
        Assert.True(times.Distinct().Count() > 150);
        var due = plan.State.NextRunAt!.Value;
        Assert.Empty(plan.Pass(due - plan.Now - TimeSpan.FromMilliseconds(1)).Tick().State.Live);
        Assert.Equal(1, plan.Pass(TimeSpan.FromMilliseconds(1)).Tick().Active.View.ScheduledAt.Hour);
    }

    [Fact]
    public void OwnSession_IsMadeForTheOccurrence_AndEndedAfterIt()
    {
        var plan = new Plan(new ScheduleChange { Session = Plan.Template() }).NextMinute();
        Assert.Equal(ScheduleMachine.SessionIdOf(plan.Active.View.TaskId!), plan.Active.View.SessionId);
        Assert.True(EntityId.Is(EntityId.Session, plan.Active.View.SessionId));
        plan.Submit().End(TaskState.Completed);
        var over = Assert.Single(plan.State.Live);
        Assert.True(over.IsOver);
        plan.NextMinute(); // it does not stand in the way
        Assert.Equal(2, plan.State.RunCount);
        plan.State = ScheduleMachine.CleanedUp(plan.State, over.View.TaskId!);
        Assert.Equal(over.View.TaskId, Assert.Single(plan.State.History).TaskId);
    }

    [Fact]
    public void Delete_LeavesOnlyItsOwnSessionsToEnd()
    {
        var own = new Plan(new ScheduleChange { Session = Plan.Template(), OverlapPolicy = "queue" }).NextMinute().Submit().NextMinute();
        Assert.True(Assert.Single(ScheduleMachine.Delete(own.State, own.Now).Live).IsOver);
        var users = new Plan().NextMinute().Submit();
        Assert.Empty(ScheduleMachine.Delete(users.State, users.Now).Live);
    }

    [Fact]
    public void Prompt_TooLong_FailsTheOccurrence()
    {
        var plan = new Plan(new ScheduleChange { PromptTemplate = string.Concat(Enumerable.Repeat("{{last_result}}", 20)) });
        plan.NextMinute().Submit().End(TaskState.Completed, new string('x', 20_000)).NextMinute();
        Assert.Equal(OccurrenceStatus.Failed, plan.State.History[0].Status);
        Assert.Contains("320000 characters", plan.State.History[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Change_EveryWrongMember_IsNamedAtOnce()
    {
        var fault = Assert.Throws<MarionetteException>(() => ScheduleMachine.Create(Plan.Id, new ScheduleChange
        {
            CronExpression = "x", Timezone = "y", PromptTemplate = "{{z}}", OnFailure = "retry", OverlapPolicy = "no", CatchUp = "no", JitterSeconds = -1,
            MaxRetries = 11, StartAt = Plan.Begin, EndAt = Plan.Begin,
        }, Plan.Begin));
        Assert.Equal(
            ["name", "session_id", "cron_expression", "timezone", "prompt_template", "on_failure", "overlap_policy", "catch_up", "max_retries", "jitter_seconds", "end_at"],
            fault.Errors.Select(e => e.Field));
    }

    [Fact]
    public void Update_OtherTime_CountsFromNow()
    {
        var plan = new Plan().Pass(TimeSpan.FromMinutes(10));
        plan.State = ScheduleMachine.Update(plan.State, new ScheduleChange { CronExpression = "0 * * * *" }, plan.Now);
        Assert.Empty(plan.Tick().State.Live);
        Assert.Equal(0, plan.State.SkippedCount);
        Assert.Equal(1, plan.State.NextRunAt!.Value.Hour);
    }

    [Fact]
    public void History_IsBounded()
    {
        var plan = new Plan();
        for (var i = 0; i < 150; i++) plan.NextMinute().Submit().End(TaskState.Completed);
        Assert.Equal(ScheduleMachine.HistoryLength, plan.State.History.Length);
        Assert.Equal(150, plan.State.RunCount);
    }
}
