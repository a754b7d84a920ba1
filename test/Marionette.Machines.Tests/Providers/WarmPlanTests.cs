using Marionette.Providers;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Machines.Tests.Providers;

public sealed class WarmPlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(3, null, 0, 0, 0, 3)] // empty: filled to the minimum
    [InlineData(3, null, 1, 1, 0, 1)] // one is there, one under way
    [InlineData(3, 10, 3, 0, 6, 3)] // a rush: towards what was claimed lately
    [InlineData(3, 5, 3, 0, 60, 2)] // never beyond the maximum
    [InlineData(0, null, 0, 0, 5, 0)] // no pool
    public void Make_FillsWhatIsMissing(int min, int? max, int ready, int making, int claimed, int expected) =>
        Assert.Equal(expected, WarmPlan.Of(new WarmPoolOptions { Min = min, Max = max }, "r1", Slots(ready), making, claimed, 0, Now).Make);

    [Fact]
    public void Make_IsHeldByTheRefill() =>
        Assert.Equal(2, WarmPlan.Of(new WarmPoolOptions { Min = 50, RefillPerMinute = 10 }, "r1", [], 0, 0, 8, Now).Make);

    [Fact]
    public void Remove_TheOldAndTheOutdated_AndReplacesThem()
    {
        var pool = new WarmPoolOptions { Min = 2, Lifetime = TimeSpan.FromMinutes(10) };
        var slots = new[] { Slot("old", "r1", 11), Slot("other", "r0", 1), Slot("good", "r1", 1) };
        var (make, remove) = WarmPlan.Of(pool, "r1", slots, 0, 0, 0, Now);
        Assert.Equal(["old", "other"], remove);
        Assert.Equal(1, make);
    }

    [Fact]
    public void Remove_WhatIsTooMany_TheNewestFirst()
    {
        var slots = new[] { Slot("a", "r1", 3), Slot("b", "r1", 2), Slot("c", "r1", 1) };
        Assert.Equal(["c", "b"], WarmPlan.Of(new WarmPoolOptions { Min = 1 }, "r1", slots, 0, 0, 0, Now).Remove);
    }

    [Fact]
    public void Health_Failures_PauseLongerAndLonger_AndASuccessForgetsThem()
    {
        var clock = new FakeTimeProvider(Now);
        var health = new BackendHealth(clock);
        Assert.True(health.MayTry);
        var pauses = Enumerable.Range(0, 8).Select(_ =>
        {
            health.Failed("away", null);
            return (health.RetryAt!.Value - clock.GetUtcNow()).TotalSeconds;
        }).ToList();
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60], pauses);
        Assert.False(health.MayTry);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(health.MayTry);
        Assert.True(health.IsProbing);
        health.Succeeded();
        Assert.Null(health.Trouble);
        health.Failed("away", TimeSpan.FromSeconds(30));
        Assert.Equal(30, (health.RetryAt!.Value - clock.GetUtcNow()).TotalSeconds);
    }

    private static List<WarmSlot> Slots(int count) => [.. Enumerable.Range(0, count).Select(i => Slot($"s{i}", "r1", 1))];

    private static WarmSlot Slot(string id, string revision, double ageMinutes) => new(id, "default", revision, Now - TimeSpan.FromMinutes(ageMinutes));
}
