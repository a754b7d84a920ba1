namespace Marionette.Sessions;

/// <summary>What becomes of a session's runner while the session is suspended.</summary>
public static class SuspendStrategies
{
    /// <summary>It stores a checkpoint and is given back; the next runner begins with that.</summary>
    public const string Release = "release";

    /// <summary>It stores a checkpoint and is frozen, memory kept, for as long as the installation pays for it.</summary>
    public const string Pause = "pause";
}

/// <summary>Suspends a session. Idempotent.</summary>
/// <param name="Reason">For people.</param>
/// <param name="Strategy">One of <see cref="SuspendStrategies"/>; null = the session's own. A paused session that is asked with "release" gives its runner back.</param>
[GenerateSerializer, Immutable, Alias("mn.session.suspend.v1")]
public sealed record SuspendSession([property: Id(0)] string Reason, [property: Id(1)] string? Strategy = null);
