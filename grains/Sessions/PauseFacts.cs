namespace Marionette.Sessions;

/// <summary>The runner has stored a checkpoint and runs no turn: its provider is asked to stop it where it is.</summary>
internal sealed record RunnerPausing(string RunnerId, long Epoch) : Fact;

/// <summary>It stands still, memory kept.</summary>
internal sealed record RunnerPaused(string RunnerId, long Epoch) : Fact;

/// <summary>It is not paused after all: the session is suspended by giving it back.</summary>
internal sealed record RunnerPauseFailed(string RunnerId, long Epoch, string Reason) : Fact;

/// <summary>Its provider is asked to let it go on.</summary>
internal sealed record RunnerUnpausing(string RunnerId, long Epoch) : Fact;

/// <summary>How far a pause is.</summary>
internal enum PauseStep
{
    /// <summary>The runner was told to get ready.</summary>
    Asked = 1,
    /// <summary>It is; its provider was asked.</summary>
    Settled = 2,
    /// <summary>It stands still. The session is suspended.</summary>
    Paused = 3,
    /// <summary>It was asked to go on; its stream is awaited.</summary>
    Waking = 4,
}

/// <summary>A pause under way, in force, or at its end.</summary>
/// <param name="At">When it came to that step.</param>
internal sealed record LivePause(PauseStep Step, DateTimeOffset At);
