namespace Marionette.Runners;

/// <summary>One execution environment. Key: <c>tenant/run_…</c>. It is recorded before its provider is asked, so none is forgotten.</summary>
[Alias("mn.runner.v1"), GrainInterfaceType("mn.runner")]
public interface IRunnerGrain : IGrainWithStringKey
{
    /// <summary>Records the runner and sets its provider to work. Returns at once; idempotent.</summary>
    [Alias("ensure")] Task EnsureAsync(RunnerRequest request, CancellationToken cancellationToken = default);

    /// <summary>The runner.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<RunnerView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Checks what an agent proves; the first hello binds the token to the agent's secret.</summary>
    /// <exception cref="MarionetteException">TokenRefused; Fenced; Unavailable while it is paused.</exception>
    [Alias("hello")] Task<RunnerAdmission> HelloAsync(RunnerHello hello, CancellationToken cancellationToken = default);

    /// <summary>Whether a secret is the one that the first hello bound, for what an agent asks beside its stream. Changes nothing.</summary>
    /// <exception cref="MarionetteException">TokenRefused; Fenced: the runner is final, or of another epoch.</exception>
    [Alias("verify"), ReadOnly] ValueTask<RunnerAdmission> VerifyAsync(long epoch, byte[] secret, CancellationToken cancellationToken = default);

    /// <summary>Its stream is up, or away. Informative; starts and stops the lease.</summary>
    [Alias("presence")] Task PresenceAsync(bool online, CancellationToken cancellationToken = default);

    /// <summary>What the provider found. Called by the provider's grain.</summary>
    [Alias("observed")] Task ObservedAsync(RunnerObservation observation, CancellationToken cancellationToken = default);

    /// <summary>How far its start is. Called by the provider's grain.</summary>
    [Alias("progress")] Task ProgressAsync(RunnerStep step, CancellationToken cancellationToken = default);

    /// <summary>What its network policy held back. Called by the provider's grain.</summary>
    [Alias("blocked")] Task BlockedAsync(BlockedTarget target, CancellationToken cancellationToken = default);

    /// <summary>How much of its processors it may use. Called by the provider's grain.</summary>
    [Alias("throttled")] Task ThrottledAsync(RunnerThrottle throttle, CancellationToken cancellationToken = default);

    /// <summary>Puts other network rules in force. Idempotent.</summary>
    [Alias("network")] Task ApplyNetworkAsync(NetworkRules rules, CancellationToken cancellationToken = default);

    /// <summary>Stops its processes where they are, memory kept; its session is told of the outcome. Idempotent.</summary>
    [Alias("pause")] Task PauseAsync(long epoch, CancellationToken cancellationToken = default);

    /// <summary>Lets a paused one go on. One that is gone is told to its session as lost. Idempotent.</summary>
    [Alias("unpause")] Task UnpauseAsync(long epoch, CancellationToken cancellationToken = default);

    /// <summary>What came of a pause or of its end. Called by the provider's grain.</summary>
    [Alias("pause-outcome")] Task PauseOutcomeAsync(RunnerPauseOutcome outcome, CancellationToken cancellationToken = default);

    /// <summary>Gives it back. Idempotent; an agent that still lives is fenced.</summary>
    [Alias("release")] Task ReleaseAsync(string reason, CancellationToken cancellationToken = default);
}

/// <summary>A look at a runner by its provider.</summary>
/// <param name="State">"running", "exited", "missing", "failed" (could not be made).</param>
/// <param name="Cause">For the last three: a cause of <c>runner.lost</c>.</param>
/// <param name="Detail">A sentence for people.</param>
/// <param name="ProvisionMs">How long making it took; null on later looks.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.observation.v1")]
public sealed record RunnerObservation(
    [property: Id(0)] string State,
    [property: Id(1)] string? Cause,
    [property: Id(2)] string? Detail,
    [property: Id(3)] long? ProvisionMs,
    [property: Id(4)] int? ExitCode)
{
    /// <summary>What isolates it: the provider's word; null on later looks.</summary>
    [Id(5)] public string? Isolation { get; init; }
}

/// <summary>What came of a pause, or of its end.</summary>
/// <param name="Epoch">Epoch of the runner.</param>
/// <param name="Paused">What was asked for: true = stand still, false = go on.</param>
/// <param name="Refusal">Why it is not so, a sentence for people; null = it is.</param>
[GenerateSerializer, Immutable, Alias("mn.runner.pause-outcome.v1")]
public sealed record RunnerPauseOutcome([property: Id(0)] long Epoch, [property: Id(1)] bool Paused, [property: Id(2)] string? Refusal);
