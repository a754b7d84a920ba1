using FsCheck.Xunit;
using Marionette.Schedules;
using Marionette.Tasks;

namespace Marionette.Machines.Tests.Schedules;

/// <summary>
/// A schedule of which two activations live at once, each of which may die at any step: before its write, between write and effect, between effect and the
/// write of its outcome. The row is fenced by a version, as in the database; submitting is idempotent by task id, as in the session.
/// </summary>
public sealed class ScheduleLawTests
{
    [Property(MaxTest = 300)]
    public void AnyCrash_AnyDuplicateTick_EachOccurrenceIsOneTaskOrAccountedFor(int seed)
    {
        var random = new Random(seed);
        var world = new World(random);
        for (var i = 0; i < 120; i++) world.Step();
        world.Settle();

        var state = world.Row;
        // Every time that was due up to the cursor ran, waits, or was skipped or missed by a rule: none is lost, none is there twice.
        var due = world.DueUpTo(state.Cursor);
        Assert.Equal(due, state.RunCount + state.SkippedCount + state.Live.Count(o => o.View.Status == OccurrenceStatus.Waiting));
        Assert.Equal(state.RunCount, world.Submitted.Count);
        Assert.All(world.Submitted, task => Assert.Single(task.Value.Distinct())); // a repeat asks for the very same thing
        Assert.Equal(world.Submitted.Count, world.Submitted.Keys.Select(EntityId.TimeOf).Distinct().Count());
        Assert.True(state.NextRunAt > world.Now);
    }

    [Property(MaxTest = 100)]
    public void AnyCrash_WithinTheWindow_NothingIsMissed(int seed)
    {
        var world = new World(new Random(seed), new ScheduleChange { CatchUp = "all", OverlapPolicy = "queue", CatchUpWindowSeconds = 7 * 24 * 3600 });
        for (var i = 0; i < 60; i++) world.Step();
        world.Settle();
        while (world.Row.Live.Any(o => !o.IsOver)) world.Settle();
        Assert.Equal(0, world.Row.SkippedCount);
        Assert.Equal(world.DueUpTo(world.Row.Cursor), world.Submitted.Count);
    }

    private sealed class World(Random random, ScheduleChange? change = null)
    {
        private readonly Dictionary<string, TaskView> tasks = [];
        private readonly Activation[] activations = [new(), new()];
        private int version;

        public ScheduleRecord Row { get; private set; } = ScheduleMachine.Create(Plan.Id, Plan.Change(change ?? Any(random)), Plan.Begin);

        public DateTimeOffset Now { get; private set; } = Plan.Begin;

        /// <summary>Prompts by task, one for each time that it was submitted.</summary>
        public Dictionary<string, List<string>> Submitted { get; } = [];

        public long DueUpTo(DateTimeOffset cursor)
        {
            Assert.True(CronSchedule.TryParse(Row.CronExpression, Row.Timezone, out var cron, out _, out _));
            long count = 0;
            for (var at = cron.After(Plan.Begin); at is { } time && time <= cursor; at = cron.After(time)) count++;
            return count;
        }

        public void Step()
        {
            var activation = activations[random.Next(activations.Length)];
            switch (random.Next(10))
            {
                case 0: Now += TimeSpan.FromSeconds(random.Next(1, 400)); break;
                case 1 or 2: Now += TimeSpan.FromSeconds(random.Next(1, 30)); break;
                case 3: activation.Record = null; break; // kill -9
                case 4: EndSomeTask(); break;
                default: Work(activation, mayDie: true); break;
            }
        }

        /// <summary>Time passes without crashes, and tasks end.</summary>
        public void Settle()
        {
            for (var i = 0; i < 4; i++)
            {
                Work(activations[0], mayDie: false);
                EndSomeTask();
            }
        }

        private static ScheduleChange Any(Random random) => new()
        {
            OverlapPolicy = new[] { "skip", "queue", "cancel_running" }[random.Next(3)], CatchUp = new[] { "last", "all", "none" }[random.Next(3)],
            CatchUpWindowSeconds = random.Next(2) == 0 ? 300 : 24 * 3600, JitterSeconds = random.Next(2) * 20, CronExpression = random.Next(2) == 0 ? "* * * * *" : "*/20 * * * * *",
        };

        private void Work(Activation activation, bool mayDie)
        {
            if (activation.Record is null) (activation.Record, activation.Version) = (Row, version);
            foreach (var live in activation.Record.Live)
                if (tasks.TryGetValue(live.View.TaskId!, out var task) && !Write(activation, ScheduleMachine.Observed(activation.Record, task, Now))) return;
            if (Dies() || !Write(activation, ScheduleMachine.Tick(activation.Record, Now))) return;
            foreach (var live in activation.Record.Live)
            {
                if (live.View.Status != OccurrenceStatus.Starting) continue;
                if (Dies()) return;
                Submit(live);
                if (Dies() || !Write(activation, ScheduleMachine.Submitted(activation.Record, live.View.TaskId!, Now))) return;
            }

            bool Dies()
            {
                if (!mayDie || random.Next(4) > 0) return false;
                activation.Record = null;
                return true;
            }
        }

        /// <summary>The row's version is the fence; who loses reads it again.</summary>
        private bool Write(Activation activation, ScheduleRecord decided)
        {
            if (ReferenceEquals(activation.Record, decided)) return true;
            if (activation.Version != version)
            {
                activation.Record = null;
                return false;
            }

            (Row, activation.Record) = (decided, decided);
            activation.Version = ++version;
            return true;
        }

        private void Submit(LiveOccurrence live)
        {
            var id = live.View.TaskId!;
            if (!Submitted.TryGetValue(id, out var prompts)) Submitted[id] = prompts = [];
            prompts.Add(live.Prompt!);
            tasks.TryAdd(id, new TaskView { Id = id, SessionId = Plan.SessionId, Prompt = live.Prompt!, Status = TaskState.Running });
        }

        private void EndSomeTask()
        {
            var running = tasks.Values.Where(t => !t.IsFinal).ToList();
            if (running.Count == 0) return;
            var task = running[random.Next(running.Count)];
            tasks[task.Id] = task with { Status = new[] { TaskState.Completed, TaskState.Failed, TaskState.Canceled }[random.Next(3)], Result = $"{random.Next(100)}" };
        }
    }

    private sealed class Activation
    {
        public ScheduleRecord? Record { get; set; }

        public int Version { get; set; }
    }
}
