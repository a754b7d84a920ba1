using Marionette.Agent.Hosts.Sandboxes;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>Who is throttled for the births that it was refused, and for how long.</summary>
public sealed class BirthWatchTests
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    // As measured on a machine, in a look's time each: bash's bomb of 2048 processes, and one of C that never waits.
    [Theory]
    [InlineData(274, 386, 543)]
    [InlineData(3525, 3565, 2089)]
    [InlineData(20, 20, 20, 20, 20)]
    [InlineData(300, 300, 0, 0, 0, 0, 300, 300)] // its agent has died between, and its sandbox was started anew
    public void Storm_IsThrottledWithinASecond(params int[] refused) => Assert.True(Walk(Begun(), refused).IsThrottled);

    // A build that meets its limit once, one that tries again every second, bash's bomb of 64 processes, and much that is little.
    [Theory]
    [InlineData(5000, 5000, 0, 0, 0, 0, 0, 0)]
    [InlineData(60, 0, 0, 0, 0, 60, 0, 0, 0, 0, 60, 0, 0, 0, 0, 60, 0, 0, 0, 0, 60, 0, 0, 0, 0)]
    [InlineData(0, 0, 60, 0, 0, 0, 0, 5, 0, 0, 0, 0, 57, 0, 0, 0, 0, 8, 0, 0, 0, 0)]
    [InlineData(19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19)]
    public void LessThanAStorm_IsLeftAlone(params int[] refused) => Assert.False(Walk(Begun(), refused).IsThrottled);

    [Fact]
    public void TwoLooks_HoweverLateAndHoweverMuch_AreNotEnough()
    {
        var watch = Begun().Look(1_000_000, TimeSpan.FromHours(1));
        Assert.False(watch.IsThrottled);
        Assert.False(watch.Look(2_000_000, TimeSpan.FromHours(1)).IsThrottled);
    }

    [Fact]
    public void FirstLook_OfADaemon_CountsNothingThatWasBeforeIt()
    {
        // Four of the five looks that it takes.
        var watch = BirthWatch.Begin(false);
        for (var look = 0; look <= 4; look++) watch = watch.Look(1_000_000 + (look * 20), Look);
        Assert.False(watch.IsThrottled);
        Assert.True(watch.Look(1_000_100, Look).IsThrottled);
    }

    [Fact]
    public void GroupThatIsNew_CountsFromNothing()
    {
        var watch = BirthWatch.Begin(false).Look(1_000_000, Look);
        for (var look = 1; look <= 5; look++) watch = watch.Look(look * 20, Look);
        Assert.True(watch.IsThrottled);
    }

    [Fact]
    public void Throttled_StaysSo_WhileItStirsNowAndThen()
    {
        var watch = BirthWatch.Begin(true).Look(0, Look);
        for (var (look, refused) = (1, 0L); look < 1000; look++)
        {
            watch = watch.Look(refused += look % 49 == 0 ? 2 : 0, Look);
            Assert.True(watch.IsThrottled, $"look {look}");
        }
    }

    [Fact]
    public void AnyPast_EndsWithTheCalm_AndAStormThrottlesAnew()
    {
        const int seed = 17;
        var random = new Random(seed);
        for (var round = 0; round < 2000; round++)
        {
            var (watch, refused) = (BirthWatch.Begin(random.Next(2) == 0), 0L);
            for (var look = random.Next(40); look >= 0; look--)
                watch = watch.Look(refused = random.Next(5) == 0 ? random.Next(1000) : refused + random.Next(500), Look * (random.NextDouble() * 4));
            for (var passed = TimeSpan.Zero; passed <= BirthWatch.Calm; passed += Look) watch = watch.Look(refused, Look);
            Assert.False(watch.IsThrottled, $"round {round} of seed {seed}: calm");
            for (var passed = TimeSpan.Zero; passed < BirthWatch.Patience; passed += Look) watch = watch.Look(refused += 20, Look);
            Assert.True(watch.IsThrottled, $"round {round} of seed {seed}: a new storm");
        }
    }

    private static BirthWatch Begun() => BirthWatch.Begin(false).Look(0, Look);

    private static BirthWatch Walk(BirthWatch watch, int[] refused)
    {
        var all = 0L;
        foreach (var more in refused) watch = watch.Look(all += more, Look);
        return watch;
    }
}
