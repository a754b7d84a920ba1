using System.Collections.Immutable;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>
/// What a session decides: <c>Decide(state, command, context) → events, or a fault</c>. Static and total; no clock, no I/O, no
/// random: what the world has to say comes in as <see cref="DecisionContext"/>.
/// </summary>
internal static partial class SessionMachine
{
    /// <summary>Tasks that may wait in one session.</summary>
    public const int QueueLimit = 1000;

    /// <summary>Runs of one task, or runners of one session, that may be cut off in a row before it is called a failure.</summary>
    public const int InterruptionLimit = 3;

    /// <summary>A runner that shows life while it stops is waited for up to so many times the grace.</summary>
    private const int StopPatience = 20;

    public static Decision Create(SessionState state, string id, string workspaceId, CreateSession c, DecisionContext context)
    {
        if (state.Exists) return new(state);
        var scribe = new Scribe(state with { View = state.View with { Id = id } }, context);
        scribe.Write(new SessionCreated(
            c.Name, c.Agent, c.Model, c.BaseUrl, c.Secrets is not null, Or(c.EnvNames), c.WorkspaceId ?? workspaceId, c.ProfileId,
            c.AgentConfigId, c.LifecycleMode, c.IdleTimeoutSeconds, c.NetworkPolicy, Or(c.AllowedHosts), c.Labels, c.PermissionMode,
            c.PermissionTimeoutSeconds, c.IncludeRaw, Or(c.Command), c.OptionNames.IsDefaultOrEmpty ? null : [.. c.OptionNames],
            OrNone(c.Budget), c.AutoContinue)
        {
            PermissionPolicy = c.PermissionPolicy, PermissionRules = c.PermissionRules.IsDefaultOrEmpty ? null : c.PermissionRules,
            Provider = c.Provider, Origin = c.Origin, TtlSeconds = c.TtlSeconds, FailoverPolicy = c.FailoverPolicy, SuspendStrategy = c.SuspendStrategy,
        });
        return scribe.Decide();
    }

    /// <param name="strategy">One of <see cref="SuspendStrategies"/>; null = the session's own.</param>
    public static Decision Suspend(SessionState state, string reason, DecisionContext context, string? strategy = null)
    {
        MustBeOpen(state);
        MustFit(state, "strategy", strategy, context);
        var scribe = new Scribe(state, context);
        if (IsPaused(state) && strategy == SuspendStrategies.Release)
            LetGo(scribe, reason);
        else if (state.Pause is { Step: PauseStep.Asked or PauseStep.Settled } && strategy == SuspendStrategies.Release)
            scribe.Write(new RunnerPauseFailed(state.View.RunnerId!, state.View.Epoch, reason)); // It is to go after all.
        else if (state.View.Status == SessionStatus.Suspended || state.Stop == StopIntent.Suspend)
            return new(state);
        else if (state.View.RunnerId is null)
            scribe.Write(new SessionSuspended(reason));
        else if (state.View.Status == SessionStatus.Active || state.Pause is { Step: PauseStep.Waking })
            BeginSuspend(scribe, reason, strategy);
        else
            Release(scribe, reason, suspend: true); // Its runner has never called: there is nothing to finish.
        return scribe.Decide();
    }

    public static Decision Resume(SessionState state, string reason, DecisionContext context)
    {
        MustBeOpen(state);
        if (state.Stop == StopIntent.Suspend)
            throw new MarionetteException(FaultCode.Conflict, "The session is being suspended; ask again once it is suspended.");
        if (state.View.RunnerId is not null && !IsPaused(state)) return new(state);
        var scribe = new Scribe(state, context);
        Bring(scribe, reason);
        return scribe.Decide();
    }

    public static Decision Terminate(SessionState state, string reason, DecisionContext context)
    {
        MustExist(state);
        if (state.IsClosed) return new(state);
        var scribe = new Scribe(state, context);
        Close(scribe, reason);
        return scribe.Decide();
    }

    private static void Close(Scribe scribe, string reason)
    {
        var state = scribe.State;
        CloseRequests(scribe, runId: null, "The session ended.");
        foreach (var message in state.Messages)
            scribe.Write(new MessageRefused(message.Id, "The session ended."), message.TaskId);
        foreach (var task in state.Tasks)
            End(scribe, task, TaskState.Canceled, new RunError("session_terminated", "The session was terminated."), 0);
        if (scribe.State.View.RunnerId is { } runner)
            scribe.Write(new RunnerReleased(runner, state.View.Epoch, reason));
        scribe.Write(new SessionTerminated(reason));
    }

    /// <summary>What time alone brings: deadlines of tasks and requests, a stop that is not answered, an idle session.</summary>
    public static Decision Tick(SessionState state, DecisionContext context)
    {
        if (!state.Exists || state.IsClosed) return new(state);
        var scribe = new Scribe(state, context);
        TickRequests(scribe);
        TickHolds(scribe);
        CheckBudgets(scribe);
        if (scribe.State.Current is { } task)
        {
            if (task.CancelSeq == 0 && DeadlineOf(task) <= scribe.Now)
                scribe.Write(
                    new TaskCancelRequested(null, $"The run took longer than {task.View.TimeoutSeconds} s.", "timed_out"), task.View.Id, task.RunId);
            else if (task.CancelRequestedAt + context.Timings.InterruptGrace <= scribe.Now)
            {
                // The agent does not react: its runner goes, so that nothing works on behind our back.
                EndCanceled(scribe, task);
                Replace(scribe, "The agent did not stop in time.");
                return scribe.Decide();
            }
        }

        // A task that has just been let go is work: the session is not idle any more.
        if (StopDeadline(scribe.State, context.Timings) <= scribe.Now)
            StopLate(scribe);
        else if (IdleDeadline(scribe.State) <= scribe.Now)
            BeginSuspend(scribe, "idle", strategy: null);
        else if (PauseDeadline(scribe.State, context.Timings) <= scribe.Now)
            LetGo(scribe, $"It was paused for {context.Timings.PauseLimit.TotalMinutes:0.#} min: its memory is given back.");
        TickExpiry(scribe);
        AfterSuspend(scribe);
        return scribe.Decide();
    }

    /// <summary>When <see cref="Tick"/> next has something to do; null = never without a new event.</summary>
    public static DateTimeOffset? NextDeadline(SessionState state, SessionTimings timings, TenantSpending? tenant = null)
    {
        if (!state.Exists || state.IsClosed) return null;
        var next = DateTimeOffset.MaxValue;
        next = Earlier(next, RequestDeadline(state));
        if (state.Tasks is [{ Hold: { Auto: true, Until: { } until } }, ..]) next = Earlier(next, until);
        if (state.Current is { } task && task.CancelSeq == 0) next = Earlier(next, BudgetRules.TimeLimit(state, task, tenant));
        if (state.Current is { } running)
            next = Earlier(next, running.CancelSeq == 0 ? DeadlineOf(running) : running.CancelRequestedAt + timings.InterruptGrace);
        next = Earlier(next, StopDeadline(state, timings));
        next = Earlier(next, IdleDeadline(state));
        next = Earlier(next, ExpiryDeadline(state));
        next = Earlier(next, PauseDeadline(state, timings));
        return next == DateTimeOffset.MaxValue ? null : next;
    }

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset? b) => b is { } time && time < a ? time : a;

    private static DateTimeOffset? DeadlineOf(LiveTask task) =>
        task.View.Runs[^1].AssignedAt + TimeSpan.FromSeconds(task.View.TimeoutSeconds);

    /// <summary>A runner that stops stores its last checkpoint, and says how far it is: while it does, it is waited for, up to a bound.</summary>
    private static DateTimeOffset? StopDeadline(SessionState state, SessionTimings timings)
    {
        if (state.StopRequestedAt is not { } asked) return null;
        var heard = state.View.LastActivityAt is { } at && at > asked ? at : asked;
        var most = asked + (timings.StopGrace * StopPatience);
        return heard + timings.StopGrace < most ? heard + timings.StopGrace : most;
    }

    private static DateTimeOffset? IdleDeadline(SessionState state) =>
        state.View is { Status: SessionStatus.Active, IdleTimeoutSeconds: { } idle } && !state.HasWork && state.Current is null && state.Stop == StopIntent.None
            ? (state.View.LastActivityAt ?? state.View.CreatedAt) + TimeSpan.FromSeconds(idle)
            : null;

    /// <summary>A runner for the session, or another one: from here on the older epochs are fenced.</summary>
    private static void Assign(Scribe scribe, string reason)
    {
        if (scribe.State.View.Status != SessionStatus.Pending) scribe.Write(new SessionResuming(reason));
        scribe.Write(new RunnerAssigned(scribe.NewId(EntityId.Runner), scribe.State.View.Epoch + 1, scribe.State.View.Provider ?? scribe.Context.Provider));
    }

    /// <summary>The runner that the session has kept, or another one.</summary>
    private static void Bring(Scribe scribe, string reason)
    {
        if (IsPaused(scribe.State)) Unpause(scribe, reason);
        else Assign(scribe, reason);
    }

    /// <summary>Gives the runner back; what ran on it waits for the next one.</summary>
    private static void Release(Scribe scribe, string reason, bool suspend)
    {
        if (scribe.State.View.RunnerId is not { } runner) return;
        CutOff(scribe, reason);
        scribe.Write(new RunnerReleased(runner, scribe.State.View.Epoch, reason));
        if (suspend) scribe.Write(new SessionSuspended(Asked(scribe.State, reason)));
    }

    private static void Replace(Scribe scribe, string reason)
    {
        if (scribe.State.Stop == StopIntent.Suspend || !scribe.State.HasWork)
        {
            Release(scribe, reason, suspend: true);
            AfterSuspend(scribe);
        }
        else
        {
            Release(scribe, reason, suspend: false);
            Assign(scribe, reason);
        }
    }

    /// <summary>A task that came while the session was being suspended brings it back; one whose life is over ends.</summary>
    private static void AfterSuspend(Scribe scribe)
    {
        SettleMove(scribe);
        SettleExpiry(scribe);
        if (scribe.State is { ResumeWhenSuspended: true, HasWork: true, View: { Status: SessionStatus.Suspended } view } && (view.RunnerId is null || IsPaused(scribe.State)))
            Bring(scribe, "A task waits.");
    }

    /// <summary>The run that a runner has ends without a verdict; with too many of them, it is one.</summary>
    /// <param name="isLoss">Also while it is being suspended: nobody gave the run the time to stop where it is safe.</param>
    private static void CutOff(Scribe scribe, string reason, bool isLoss = false)
    {
        if (scribe.State.Current is not { } task) return;
        CloseRequests(scribe, task.RunId, reason);
        if (task.CancelSeq > 0)
            EndCanceled(scribe, task);
        else if (IsOneTooMany(scribe.State, task))
            End(scribe, task, TaskState.Failed, new RunError("runner_lost", $"Cut off {InterruptionLimit} times; last: {reason}"), 0);
        else
            Interrupt(scribe, task, new TaskInterrupted(task.View.Runs[^1].Attempt, reason), source: 0, isLoss);
        SettleMessages(scribe, task.View.Id);
    }

    private static void MustExist(SessionState state)
    {
        if (!state.Exists) throw new MarionetteException(FaultCode.NotFound, "No such session.");
    }

    private static void MustBeOpen(SessionState state)
    {
        MustExist(state);
        if (state.IsClosed) throw new MarionetteException(FaultCode.SessionClosed, "The session has ended; create another one.");
    }

    private static ImmutableArray<string> Or(ImmutableArray<string> array) => array.IsDefault ? [] : array;
}
