using System.Collections.Immutable;
using System.Text.Json;
using FsCheck.Xunit;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>Laws that hold after any sequence of commands, reports, repeats, losses and waits.</summary>
public sealed class SessionLawTests
{
    [Property(MaxTest = 300)]
    public void AnyWalk_KeepsTheLaws(int seed)
    {
        var random = new Random(seed);
        var walk = new Walk().Created(
            idle: random.Next(3) == 0 ? 600 : null, ttl: random.Next(3) == 0 ? random.Next(60, 7200) : null,
            failover: new[] { null, Failover.Ask, Failover.Never }[random.Next(3)]);
        for (var i = 0; i < 60; i++) Step(walk, random);
        AssertLaws(walk);
    }

    /// <summary>The same where it is about money all the time: holds, their questions and their answers, with everything else in between.</summary>
    [Property(MaxTest = 300)]
    public void AnyWalk_WithABudgetThatRunsOut_KeepsTheLaws(int seed)
    {
        var random = new Random(seed);
        var walk = new Walk().Created();
        walk.Running(new Budget(null, 300, null));
        walk.Submit(budget: new Budget(null, 300, null));
        for (var i = 0; i < 40; i++)
        {
            if (random.Next(3) == 0) Step(walk, random);
            else Try(() => BudgetStep(walk, random));
        }

        AssertLaws(walk);
    }

    /// <summary>The same where it is suspended, paused and brought back all the time.</summary>
    [Property(MaxTest = 300)]
    public void AnyWalk_ThatIsPausedAgainAndAgain_KeepsTheLaws(int seed)
    {
        var random = new Random(seed);
        var walk = new Walk().Created(
            idle: random.Next(3) == 0 ? 60 : null, ttl: random.Next(3) == 0 ? random.Next(60, 3600) : null, strategy: random.Next(2) == 0 ? SuspendStrategies.Pause : null);
        for (var i = 0; i < 60; i++)
        {
            if (random.Next(2) == 0) Step(walk, random);
            else Try(() => PauseStep(walk, random));
            APauseIsWhatItSays(walk);
        }

        AssertLaws(walk);
    }

    private static void AssertLaws(Walk walk)
    {
        Gapless(walk);
        OneEndPerTask(walk);
        OneAnswerPerRequest(walk);
        EveryMessageHasAPlace(walk);
        OneRuns(walk);
        WhatABudgetHolds_HasAsked(walk);
        WhatWaitsForAFailover_HasAsked(walk);
        NothingEndsByTheClock_WithoutItsFiles(walk);
        Assert.Equal(Text(walk.State), Text(walk.Refolded()));
    }

    [Property(MaxTest = 100)]
    public async Task AnyWalk_RowsGiveTheSameState(int seed)
    {
        var random = new Random(seed);
        var walk = new Walk().Created();
        for (var i = 0; i < 40; i++) Step(walk, random);
        walk.Submit(walk.State); // A fact, so that the row is as new as the log.
        Assert.Equal(Text(walk.State), Text(await walk.ReloadedAsync()));
    }

    [Property(MaxTest = 100)]
    public void Append_AnyOverlapOfRepeats_StoresEachNumberOnce(int seed)
    {
        var random = new Random(seed);
        var walk = new Walk().Created();
        walk.Submit();
        walk.Attach();
        var sent = Enumerable.Range(1, 40).Select(n => new OutputEvent("text", null, 1, JsonSerializer.SerializeToUtf8Bytes(new { n }))).ToImmutableArray();
        while (walk.State.Acked < sent.Length)
        {
            var first = random.Next(1, (int)walk.State.Acked + 2);
            var count = random.Next(1, sent.Length - first + 2);
            walk.Take(SessionMachine.Append(
                walk.State, new RunnerOutput(walk.State.View.Epoch, first, sent.Slice(first - 1, count)), walk.Context));
        }

        Assert.Equal(Enumerable.Range(1, 40).Select(n => (long)n), walk.Log.Where(e => e.Source > 0).Select(e => e.Source));
    }

    private static void Try(Action step)
    {
        try
        {
            step();
        }
        catch (MarionetteException)
        {
            // A refusal is an answer; what must not happen is another exception or a half-done change.
        }
    }

    private static void Step(Walk walk, Random random) => Try(() => Take(walk, random));

    private static void Take(Walk walk, Random random)
    {
        switch (random.Next(28))
        {
            case 0 or 1: walk.Submit(random.Next(3), random.Next(2) == 0 ? 60 : 3600, random.Next(3) == 0 ? new Budget(null, 300, null) : null); break;
            case 25: BudgetStep(walk, random); break;
            case 2 or 3 when walk.State.View.RunnerId is not null: walk.Attach(); break;
            case 4: walk.Say("run.started", new { conversation_id = "c1" }); break;
            case 5: walk.Finish(new[] { "completed", "failed", "canceled", "interrupted", "nonsense" }[random.Next(5)]); break;
            case 6: walk.Ask($"req-{random.Next(4)}"); break;
            case 7: walk.Say("permission.received", new { request_id = $"req-{random.Next(4)}" }); break;
            case 8: walk.Say("text", new { text = "hello" }); break;
            case 9: walk.SayRaw("run.finished", "{\"outcome\":7}"u8.ToArray()); break;
            case 10 when walk.State.Permissions.Length > 0:
                walk.Decide(walk.State.Permissions[random.Next(walk.State.Permissions.Length)].View.Id, random.Next(2) == 0, $"cmd-{random.Next(100)}");
                break;
            case 23: PermissionStep(walk, random); break;
            case 24 when walk.State.Permissions.Length > 0:
                walk.Answer(
                    walk.State.Permissions[random.Next(walk.State.Permissions.Length)].View.Id, new[] { "ann", "bob", "eve" }[random.Next(3)], random.Next(4) > 0,
                    remember: new[] { null, "task", "session" }[random.Next(3)]);
                break;
            case 11: walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context)); break;
            case 12: walk.Say("runner.stopped", new { reason = "suspend" }); break;
            case 13: walk.Take(SessionMachine.Lost(walk.State, walk.State.View.Epoch - random.Next(2), "killed", null, walk.Context)); break;
            case 14 when walk.State.Tasks.Length > 0:
                walk.Take(SessionMachine.Cancel(walk.State, new CancelTask(walk.State.Tasks[^1].View.Id, "ann", null), walk.Context));
                break;
            case 15 when walk.EndedTasks.Count > 0:
                var ended = walk.EndedTasks[random.Next(walk.EndedTasks.Count)];
                walk.Take(SessionMachine.Retry(walk.State, ended, new RetryTask(ended.Id, $"retry-{random.Next(1000)}"), walk.Context));
                break;
            case 16 when random.Next(10) == 0: walk.Take(SessionMachine.Terminate(walk.State, "asked", walk.Context)); break;
            case 17 when walk.State.Tasks.Length > 0: walk.Send(walk.State.Tasks[random.Next(walk.State.Tasks.Length)].View.Id); break;
            case 18 when walk.State.Messages.Length > 0:
                walk.Say(random.Next(2) == 0 ? "message.received" : "message.refused", new { message_id = walk.State.Messages[0].Id, reason = "no" });
                break;
            case 19 when walk.State.Tasks.Length > 1:
                walk.Take(SessionMachine.Move(walk.State, new MoveTask(walk.State.Tasks[^1].View.Id, walk.State.Tasks[random.Next(walk.State.Tasks.Length)].View.Id), walk.Context));
                break;
            case 20: walk.Fail(new[] { "rate_limited", "overloaded", "usage_limit" }[random.Next(3)]); break;
            case 21: walk.Use(random.Next(400)); break;
            case 22: Adjust(walk, random); break;
            case 26 when random.Next(3) == 0:
                walk.Take(SessionMachine.Extend(
                    walk.State, new ExtendSession($"cmd-{random.Next(20)}", "ann", random.Next(60, 7200), null, false), walk.Context));
                break;
            case 27 when walk.State.View.RunnerId is not null:
                walk.Say("workspace.ready", new { source = "kept", took_ms = 1 });
                if (random.Next(2) == 0) walk.Say("checkpoint.created", new { workspace = "snap_1", home = "snap_1h", reason = "stop", files = 1, bytes = 1, bytes_stored = 1, took_ms = 1 });
                break;
            default: walk.Pass(TimeSpan.FromSeconds(random.Next(90))); walk.Tick(); break;
        }
    }

    /// <summary>Around holds: the pause that a budget asked for comes about, people answer, and the tenant's spending becomes known or unknown.</summary>
    private static void BudgetStep(Walk walk, Random random)
    {
        if (random.Next(4) == 0) walk.Tenant = random.Next(2) == 0 ? null : new TenantSpending(new Budget(null, 1000, null), new Usage(random.Next(2000), 0, 0, 0, 0));
        if (walk.State.View.RunnerId is not null && walk.State.View.Status != SessionStatus.Active) walk.Attach();
        if (walk.State.Current is { CancelOutcome: "paused" }) walk.Say("run.finished", new { outcome = "interrupted", duration_ms = 5, usage = new { input_tokens = 150 } });
        if (walk.State.Permissions.FirstOrDefault(p => p.View.Budget is not null) is not { } asked) walk.Use(random.Next(400));
        else if (random.Next(3) == 0) walk.Take(SessionMachine.Continue(walk.State, new ContinueTask(asked.View.TaskId, "ann", null), walk.Context));
        else walk.Answer(asked.View.Id, "ann", random.Next(3) > 0);
    }

    private static void PauseStep(Walk walk, Random random)
    {
        var strategies = new[] { null, SuspendStrategies.Release, SuspendStrategies.Pause };
        switch (random.Next(10))
        {
            case 0: walk.CanPause = random.Next(4) > 0; break;
            case 1: walk.Take(SessionMachine.Suspend(walk.State, "asked", walk.Context, strategies[random.Next(3)])); break;
            case 2: walk.Take(SessionMachine.Resume(walk.State, "asked", walk.Context)); break;
            case 3: walk.Take(SessionMachine.Frozen(walk.State, walk.State.View.Epoch - random.Next(2), random.Next(3) == 0 ? "no" : null, walk.Context)); break;
            case 4: walk.Pass(TimeSpan.FromMinutes(random.Next(70))); walk.Tick(); break;
            case 5: walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann") { Provider = random.Next(2) == 0 ? "process" : "docker" }, walk.Context)); break;
            case 6:
                walk.Say("workspace.ready", new { source = "kept", took_ms = 1 });
                walk.Say("checkpoint.created", new { workspace = "snap_1", home = "snap_1h", reason = random.Next(2) == 0 ? "pause" : "stop", files = 1, bytes = 1, bytes_stored = 1, took_ms = 1 });
                break;
            case 7 when walk.State.View.RunnerId is not null: walk.Attach(); break;
            default: walk.Say("runner.settled", new { reason = "suspend" }); break;
        }
    }

    /// <summary>A suspended session has a runner exactly while that is paused, and then nothing runs on it and nothing is asked of it.</summary>
    private static void APauseIsWhatItSays(Walk walk)
    {
        var (view, pause) = (walk.State.View, walk.State.Pause);
        Assert.Equal(view.Status == SessionStatus.Suspended && view.RunnerId is not null, view.PausedAt is not null);
        Assert.Equal(pause is { Step: Sessions.PauseStep.Paused }, view.PausedAt is not null);
        if (view.PausedAt is not null) Assert.Equal((null, 0, StopIntent.None), (walk.State.Current, PendingCommands.Of(walk.State, 0).Length, walk.State.Stop));
        if (pause is { Step: Sessions.PauseStep.Asked or Sessions.PauseStep.Settled }) Assert.Equal(StopIntent.Suspend, walk.State.Stop);
        if (pause is { Step: Sessions.PauseStep.Waking }) Assert.Equal((SessionStatus.Resuming, StopIntent.None), (view.Status, walk.State.Stop));
        // Whoever waits, waits for something that comes by itself.
        if (pause is not null && pause.Step != Sessions.PauseStep.Waking) Assert.NotNull(SessionMachine.NextDeadline(walk.State, Walk.Timings));
    }

    /// <summary>A budget's question is open as long as its task waits for the budget, and no agent is told its answer.</summary>
    private static void WhatABudgetHolds_HasAsked(Walk walk)
    {
        var open = walk.State.Permissions.Where(p => p.View.Budget is not null).ToList();
        Assert.All(open, p => Assert.Equal((0L, "budget"), (p.DecisionSeq, walk.State.Find(p.View.TaskId)?.Hold?.Kind)));
        Assert.Equal(open.DistinctBy(p => p.View.TaskId), open);
        walk.Tick();
        foreach (var task in walk.State.Tasks.Where(t => t.Hold?.Kind == "budget" && BudgetRules.Levels(walk.State, t, walk.Context).Any(level => level.IsExceeded)))
            Assert.Single(walk.State.Permissions, p => p.View.Budget is not null && p.View.TaskId == task.View.Id);
    }

    private static void WhatWaitsForAFailover_HasAsked(Walk walk)
    {
        var open = walk.State.Permissions.Where(p => p.View.Category == PermissionView.FailoverCategory).Select(p => p.View.TaskId).Order(StringComparer.Ordinal);
        Assert.Equal(walk.State.Tasks.Where(t => t.Hold?.Kind == "failover").Select(t => t.View.Id).Order(StringComparer.Ordinal), open);
    }

    private static void NothingEndsByTheClock_WithoutItsFiles(Walk walk)
    {
        var view = walk.State.View;
        if (view.Status != SessionStatus.Terminated || view.Reason != "Its time to live is over." || walk.State.WorkspaceEpoch == 0) return;
        Assert.Contains(view.RecoveryPoint!.Reason, new[] { "stop", "pause" });
        Assert.Equal(walk.State.WorkspaceEpoch, view.RecoveryPoint.Epoch);
    }

    private static void Adjust(Walk walk, Random random)
    {
        switch (random.Next(5))
        {
            case 0: walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Budget: new Budget(null, random.Next(2) == 0 ? null : 1000, null)), walk.Context)); break;
            case 1: walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Model: "m" + random.Next(3), PermissionMode: "plan"), walk.Context)); break;
            case 2: walk.Say("configure.applied", new { model = walk.State.View.Model ?? "", permission_mode = walk.State.View.PermissionMode }); break;
            case 3: walk.Say("configure.refused", new { model = walk.State.View.Model ?? "", permission_mode = walk.State.View.PermissionMode, reason = "no" }); break;
            case 4 when walk.State.Tasks is [{ Hold: not null } held, ..]:
                walk.Take(SessionMachine.Continue(walk.State, new ContinueTask(held.View.Id, "ann", null), walk.Context));
                break;
        }
    }

    /// <summary>What was sent ended in one of three ways, or waits: nothing that somebody said is lost.</summary>
    private static void EveryMessageHasAPlace(Walk walk)
    {
        string Id(LoggedEvent e) => JsonDocument.Parse(e.Payload).RootElement.GetProperty("message_id").GetString()!;
        var ends = walk.Log.Where(e => e.Type is "message.delivered" or "message.queued").Select(Id).ToList();
        Assert.Equal(ends.Distinct(), ends);
        var closed = walk.State.IsClosed ? walk.Log.Where(e => e.Type == "message.refused").Select(Id) : [];
        Assert.All(
            walk.Log.Where(e => e.Type == "message.sent").Select(Id),
            id => Assert.True(ends.Contains(id) || closed.Contains(id) || walk.State.Messages.Any(m => m.Id == id), $"{id} is lost"));
    }

    /// <summary>At most one task runs, and it is the first.</summary>
    private static void OneRuns(Walk walk) => Assert.DoesNotContain(walk.State.Tasks.Skip(1), t => t.RunId is not null);

    private static void PermissionStep(Walk walk, Random random)
    {
        walk.Policy = random.Next(5) == 0 ? null : new TenantPolicy { Rules = [.. Rules.Where(_ => random.Next(2) == 0)] };
        string[] commands = ["ls", "npm test", "ls; rm -rf x", "sudo x", "deploy now", "ls $(x)", ""];
        walk.AskCommand(commands[random.Next(commands.Length)], $"req-{random.Next(4)}");
        if (random.Next(3) == 0 && walk.State.Permissions is [.., var last])
            walk.Take(SessionMachine.Delegate(
                walk.State, null, new DelegatePermission(last.View.Id, $"d-{random.Next(1000)}", "ann", "key_ann", "ann", random.Next(2) == 0 ? "bob" : "eve", null), walk.Context));
    }

    /// <summary>What was allowed was allowed by a rule that says so or by as many different people as it takes.</summary>
    private static void NothingIsAllowedByAccident(Walk walk)
    {
        foreach (var (_, row) in walk.Rows.Where(r => r.Key.StartsWith("permission:", StringComparison.Ordinal)))
        {
            var view = SessionRows.Permission(row);
            if (view.Status != PermissionStatus.Approved) continue;
            if (view.DecidedByCommand!.StartsWith("rule:", StringComparison.Ordinal))
            {
                Assert.True(view.RiskLevel != "critical" && view.Command is not ("sudo x" or "ls $(x)" or ""), view.Command);
                continue;
            }

            var people = view.Approvals.Select(a => a.Actor).Append(view.RespondedBy!.Split('(', ')') is [_, var key, ..] ? key : view.RespondedBy).ToList();
            Assert.Equal(view.RequiredApprovals, people.Distinct().Count());
            Assert.True(view.Approvers.IsEmpty || view.Approvers.Any(a => people.Contains("key_" + a)), view.RespondedBy);
        }
    }

    private static readonly PolicyRule[] Rules =
    [
        new() { Id = "pol_1", Effect = PolicyEffect.Deny, Commands = ["rm *"] },
        new() { Id = "pol_2", Effect = PolicyEffect.Allow, Commands = ["ls", "npm test"], RiskAtMost = "high" },
        new() { Id = "pol_3", Effect = PolicyEffect.Ask, Commands = ["deploy *", "sudo *"], Ask = new() { RequiredApprovals = 2, TimeoutSeconds = 300, Escalation = [new() { AfterSeconds = 60, Remind = true }] } },
        new() { Id = "pol_4", Effect = PolicyEffect.Ask, Ask = new() { Approvers = ["bob"], Escalation = [new() { AfterSeconds = 30, Notify = ["eve"] }] } },
    ];

    private static void Gapless(Walk walk) =>
        Assert.Equal(Enumerable.Range(1, walk.Log.Count).Select(n => (long)n), walk.Log.Select(e => e.Seq));

    private static void OneEndPerTask(Walk walk)
    {
        foreach (var task in walk.Log.Where(e => e.TaskId is not null).GroupBy(e => e.TaskId))
        {
            var alive = false;
            foreach (var type in task.Select(e => e.Type))
            {
                if (type is "task.created" or "task.retried") alive = true;
                if (type is not ("task.completed" or "task.failed" or "task.canceled" or "task.timed_out")) continue;
                Assert.True(alive, $"{task.Key} ended twice");
                alive = false;
            }
        }
    }

    private static void OneAnswerPerRequest(Walk walk)
    {
        var answers = walk.Log.Where(e => e.Type is "permission.approved" or "permission.denied" or "permission.expired")
            .GroupBy(e => JsonDocument.Parse(e.Payload).RootElement.GetProperty("permission_id").GetString());
        Assert.All(answers, a => Assert.Single(a));
        foreach (var (_, row) in walk.Rows.Where(r => r.Key.StartsWith("permission:", StringComparison.Ordinal)))
        {
            var view = SessionRows.Permission(row);
            if (view.Status == PermissionStatus.Pending) Assert.Contains(walk.State.Permissions, p => p.View.Id == view.Id);
        }
    }

    private static string Text(SessionState state) => System.Text.Encoding.UTF8.GetString(SessionRows.Session("t", state).Json)
        + string.Join('\n', state.Tasks.Select(t => JsonSerializer.Serialize(t.View)))
        + string.Join('\n', state.Permissions.Select(p => JsonSerializer.Serialize(p.View)));
}

internal static class WalkExtensions
{
    /// <summary>A fact that any open session takes; a closed one has its row already.</summary>
    public static void Submit(this Walk walk, SessionState state)
    {
        if (!state.IsClosed) walk.Submit();
    }
}
