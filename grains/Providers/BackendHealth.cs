namespace Marionette.Providers;

/// <summary>
/// How a backend is, by its own failures. While it is ill nothing is started; after a growing pause one try finds out whether it is well again.
/// </summary>
internal sealed class BackendHealth(TimeProvider clock)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromMinutes(1);

    private int _failures;

    /// <summary>The last failure; null while it is well.</summary>
    public string? Trouble { get; private set; }

    /// <summary>When the next try is due; null while it is well.</summary>
    public DateTimeOffset? RetryAt { get; private set; }

    /// <summary>A start may be tried now.</summary>
    public bool MayTry => RetryAt is not { } at || at <= clock.GetUtcNow();

    /// <summary>At most one start at a time while it is not known to be well.</summary>
    public bool IsProbing => Trouble is not null;

    public void Succeeded() => (_failures, Trouble, RetryAt) = (0, null, null);

    /// <summary>A failure that says something of the backend, not of the one start.</summary>
    /// <param name="message">For people.</param>
    /// <param name="hint">The backend's own wish; it goes before our growing pause when it is longer.</param>
    public void Failed(string message, TimeSpan? hint)
    {
        var pause = First * Math.Pow(2, Math.Min(_failures++, 16));
        if (pause > Longest) pause = Longest;
        if (hint > pause) pause = hint.Value;
        (Trouble, RetryAt) = (message, clock.GetUtcNow() + pause);
    }
}
