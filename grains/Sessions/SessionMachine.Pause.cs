using System.Collections.Immutable;

namespace Marionette.Sessions;

/// <content>Suspension with the runner kept: its provider stops it where it is, and later lets it go on. Its checkpoint is there in any case.</content>
internal static partial class SessionMachine
{
    /// <summary>What became of the pause that the runner's provider was asked for.</summary>
    /// <param name="refusal">Why it does not stand still; null = it does.</param>
    public static Decision Frozen(SessionState state, long epoch, string? refusal, DecisionContext context)
    {
        if (IsOfNow(state, epoch) is not { } runner || state.Pause is not { Step: PauseStep.Settled }) return new(state);
        var scribe = new Scribe(state, context);
        if (refusal is not null)
        {
            scribe.Write(new RunnerPauseFailed(runner, epoch, refusal));
            return scribe.Decide();
        }

        scribe.Write(new RunnerPaused(runner, epoch));
        scribe.Write(new SessionSuspended(Asked(state, "The runner is paused.")));
        AfterSuspend(scribe);
        return scribe.Decide();
    }

    private static bool IsPaused(SessionState state) => state.Pause is { Step: PauseStep.Paused };

    /// <summary>Tells the runner to end what it does, and to go or to get ready to stand still.</summary>
    /// <param name="strategy">Null = the session's own, as far as its provider can.</param>
    private static void BeginSuspend(Scribe scribe, string reason, string? strategy)
    {
        var view = scribe.State.View;
        var isPause = (strategy ?? view.SuspendStrategy) == SuspendStrategies.Pause;
        // It may have moved to a provider that cannot, or that one may have been set up anew.
        if (isPause && !scribe.Context.CanPause)
        {
            scribe.Write(new RunnerPauseFailed(view.RunnerId!, view.Epoch, CannotPause(scribe.State, scribe.Context)));
            isPause = false;
        }

        scribe.Write(new SessionSuspending(reason) { Strategy = isPause ? SuspendStrategies.Pause : null });
    }

    /// <summary>A strategy that somebody asks for is one that the session's provider can.</summary>
    private static void MustFit(SessionState state, string field, string? strategy, DecisionContext context)
    {
        if (strategy == SuspendStrategies.Pause && !context.CanPause)
            throw new MarionetteException(ImmutableArray.Create(new FieldError(field, $"must be {SuspendStrategies.Release}: {CannotPause(state, context)}")));
    }

    private static string CannotPause(SessionState state, DecisionContext context) =>
        $"the provider \"{state.View.Provider ?? context.Provider}\" cannot pause a runner";

    /// <summary>The runner has stored its checkpoint and runs no turn. One that it was given and had not begun waits for the next.</summary>
    private static void Settled(Scribe scribe, long source)
    {
        if (scribe.State is not { Stop: StopIntent.Suspend, Pause.Step: PauseStep.Asked, View: { RunnerId: { } runner } view }) return;
        CutOff(scribe, Asked(scribe.State, "The session is suspended."));
        if (scribe.State.WorkspaceEpoch > 0 && !IsWhole(scribe.State))
            scribe.Write(new RunnerPauseFailed(runner, view.Epoch, "Its checkpoint could not be stored."), source: source);
        else
            scribe.Write(new RunnerPausing(runner, view.Epoch), source: source);
    }

    /// <summary>The paused runner goes on: the same one, in the same epoch.</summary>
    private static void Unpause(Scribe scribe, string reason)
    {
        scribe.Write(new SessionResuming(reason));
        scribe.Write(new RunnerUnpausing(scribe.State.View.RunnerId!, scribe.State.View.Epoch));
    }

    /// <summary>The paused runner's memory is given back; the session stays suspended.</summary>
    private static void LetGo(Scribe scribe, string reason)
    {
        if (IsPaused(scribe.State)) scribe.Write(new RunnerReleased(scribe.State.View.RunnerId!, scribe.State.View.Epoch, reason));
    }

    /// <summary>Neither ready in time nor paused in time: it goes the other way, with the same patience once more.</summary>
    private static void StopLate(Scribe scribe)
    {
        var view = scribe.State.View;
        if (scribe.State.Pause is { Step: PauseStep.Asked or PauseStep.Settled } pause)
            scribe.Write(new RunnerPauseFailed(
                view.RunnerId!, view.Epoch, pause.Step == PauseStep.Asked ? "The runner did not get ready in time." : "Its provider did not pause it in time."));
        else
            Release(scribe, "The runner did not stop in time.", suspend: true);
    }

    private static DateTimeOffset? PauseDeadline(SessionState state, SessionTimings timings) => IsPaused(state) ? state.Pause!.At + timings.PauseLimit : null;

    private static string Asked(SessionState state, string otherwise) => state.View.Reason is { Length: > 0 } asked ? asked : otherwise;
}
