namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// Decides from how often a sandbox is refused processes whether it is throttled: a program that meets its limit is refused some and ends or waits, a fork
/// bomb is refused without end. A fold over looks at the kernel's counter; no clock, no files.
/// </summary>
internal readonly record struct BirthWatch
{
    /// <summary>Refusals a second from which on it is a storm. What waits between its tries, as shells do, comes here with hundreds of them at once.</summary>
    public const double Storm = 100;

    /// <summary>Refusals a second from which on a throttled one is no calm one. It tries ten times less often than it would.</summary>
    public const double Stir = 10;

    /// <summary>Part of its processors that is left to one that is throttled.</summary>
    public const double Part = 0.1;

    /// <summary>Time of storm that it takes. A storm twice as strong counts twice, no more; half of the calm in between is taken off.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Time without a stir that ends it.</summary>
    public static readonly TimeSpan Calm = TimeSpan.FromSeconds(10);

    // Two looks are never enough, however late they come and however much they see.
    private static readonly TimeSpan MostOfALook = TimeSpan.FromMilliseconds(400);

    /// <summary>Whether it is to have <see cref="Part"/> of its processors.</summary>
    public bool IsThrottled { get; private init; }

    // The counter as it was last; null before the first look.
    private long? Seen { get; init; }

    // Of the storm, or when throttled of the calm.
    private TimeSpan Held { get; init; }

    /// <summary>As a daemon begins that does not know what was before it.</summary>
    /// <param name="isThrottled">What was decided last.</param>
    public static BirthWatch Begin(bool isThrottled) => new() { IsThrottled = isThrottled };

    /// <summary>Takes a look.</summary>
    /// <param name="refused">Times that the sandbox's control group was refused a process. A lower one than before: the group is another one.</param>
    /// <param name="passed">Time since the last look.</param>
    public BirthWatch Look(long refused, TimeSpan passed)
    {
        if (Seen is not { } seen || passed <= TimeSpan.Zero)
            return this with { Seen = refused };
        var rate = (refused >= seen ? refused - seen : refused) / passed.TotalSeconds;
        var next = this with { Seen = refused };
        if (IsThrottled)
        {
            var calm = rate >= Stir ? TimeSpan.Zero : Held + passed;
            return next with { IsThrottled = calm < Calm, Held = calm < Calm ? calm : TimeSpan.Zero };
        }

        var counts = rate >= Storm ? passed * Math.Min(rate / Storm, 2) : passed / -2;
        var storm = Held + TimeSpan.FromTicks(Math.Clamp(counts.Ticks, -MostOfALook.Ticks / 2, MostOfALook.Ticks));
        if (storm < TimeSpan.Zero)
            storm = TimeSpan.Zero;
        return next with { IsThrottled = storm >= Patience, Held = storm < Patience ? storm : TimeSpan.Zero };
    }
}
