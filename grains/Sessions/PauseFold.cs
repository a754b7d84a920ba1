namespace Marionette.Sessions;

/// <summary>Pauses in the fold.</summary>
internal static class PauseFold
{
    public static SessionState Apply(SessionState state, Entry e) => e.Fact switch
    {
        RunnerPausing when state.Pause is { Step: PauseStep.Asked } => With(state, new LivePause(PauseStep.Settled, e.At)),
        RunnerPaused when state.Pause is { Step: PauseStep.Settled } => With(state, new LivePause(PauseStep.Paused, e.At)),
        // What it has stored is not all any more. Its end is asked for anew, as a command of its own and with its own time.
        RunnerPauseFailed when state is { Stop: StopIntent.Suspend, Pause: not null } => With(state, null) with { StopSeq = e.Seq, StopRequestedAt = e.At, AwakeSeq = e.Seq },
        RunnerUnpausing when state.Pause is { Step: PauseStep.Paused } => With(state, new LivePause(PauseStep.Waking, e.At)) with { AwakeSeq = e.Seq },
        _ => state,
    };

    /// <summary>What the session's and the runner's other facts mean for a pause.</summary>
    public static SessionState After(SessionState state, Entry e) => e.Fact switch
    {
        SessionSuspending f => With(state, f.Strategy == SuspendStrategies.Pause ? new LivePause(PauseStep.Asked, e.At) : null),
        SessionActivated when state.Pause is { Step: PauseStep.Waking } => With(state, null),
        SessionSuspended when state.Pause is not { Step: PauseStep.Paused } => With(state, null),
        RunnerAssigned => With(state, null),
        RunnerReleased or RunnerLost when state.View.RunnerId is null => With(state, null),
        _ => state,
    };

    private static SessionState With(SessionState state, LivePause? pause) => state with
    {
        Pause = pause,
        View = state.View with { PausedAt = pause is { Step: PauseStep.Paused, At: var at } ? at : null },
    };
}
