namespace Marionette.Agent.Agents;

/// <summary>Knows how long nothing was heard of the agent and its model. Safe for any thread.</summary>
internal sealed class StallWatch(TimeProvider clock, TimeSpan limit)
{
    // A tool may work in silence; its agent has a limit of its own for it (Claude: ten minutes at most).
    private const int ToolFactor = 3;

    private long heardAt = clock.GetTimestamp();

    /// <summary>How often to look.</summary>
    public TimeSpan Tick { get; } = TimeSpan.FromTicks(Math.Clamp(
        limit.Ticks / 4, TimeSpan.FromMilliseconds(100).Ticks, TimeSpan.FromSeconds(5).Ticks));

    /// <summary>Something was heard.</summary>
    public void Touch() => Interlocked.Exchange(ref heardAt, clock.GetTimestamp());

    /// <param name="toolRuns">A tool is at work.</param>
    /// <param name="modelHeardAt">Monotonic time of the model's last byte; null when nobody listens to it.</param>
    public bool IsStalled(bool toolRuns, long? modelHeardAt) => Silence(modelHeardAt) >= limit * (toolRuns ? ToolFactor : 1);

    /// <summary>Time since something was heard.</summary>
    public TimeSpan Silence(long? modelHeardAt) =>
        clock.GetElapsedTime(Math.Max(Interlocked.Read(ref heardAt), modelHeardAt ?? long.MinValue));
}
