namespace Marionette.Cli.Tests.Support;

/// <summary>A clock for which short waits are over at once and long limits never come, so that tests of pauses take no time.</summary>
internal sealed class HurriedClock : TimeProvider
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(10);

    private long waits;
    private long stopwatch;
    private TimeSpan expiring = Timeout.InfiniteTimeSpan;

    /// <summary>Short waits so far.</summary>
    public long Waits => Interlocked.Read(ref waits);

    /// <summary>What the clock shows. It stands still.</summary>
    public DateTimeOffset Now { get; init; } = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    /// <summary>How far the stopwatch runs on each time somebody looks at it. Default: it stands still.</summary>
    public TimeSpan Tick { get; init; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => Now;

    public override long GetTimestamp() => Interlocked.Add(ref stopwatch, Tick.Ticks);

    /// <summary>The next timer that is set for this long expires at once, however long it is.</summary>
    public void ExpireNext(TimeSpan limit) => expiring = limit;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime == expiring)
        {
            expiring = Timeout.InfiniteTimeSpan;
            ThreadPool.QueueUserWorkItem(_ => callback(state));
            return new Never();
        }
        // Repeated ticks are for drawing; a test wants none.
        if (dueTime > Long || dueTime < TimeSpan.Zero || period > TimeSpan.Zero)
            return new Never();
        Interlocked.Increment(ref waits);
        ThreadPool.QueueUserWorkItem(_ => callback(state));
        return new Never();
    }

    private sealed class Never : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose() { }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
