namespace Marionette.Agent.Channel;

/// <summary>How long to wait before the next try: exponential with full jitter, so that a thousand runners do not return at once.</summary>
internal sealed class ReconnectPolicy(Random random)
{
    /// <summary>Upper bound of the first pause.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMilliseconds(50);

    /// <summary>Upper bound of every later pause.</summary>
    public static readonly TimeSpan Most = TimeSpan.FromSeconds(5);

    private int failures;

    /// <summary>A connection was made: the next pause is short again.</summary>
    public void Succeeded() => failures = 0;

    /// <summary>Pause before the next try, between zero and the bound that doubles with each failure.</summary>
    public TimeSpan Next()
    {
        var bound = Math.Min(Least.TotalMilliseconds * Math.Pow(2, failures), Most.TotalMilliseconds);
        failures = Math.Min(failures + 1, 16);
        return TimeSpan.FromMilliseconds(random.NextDouble() * bound);
    }
}
