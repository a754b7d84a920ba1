using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Gateway.Workspaces.Upkeep;

namespace Marionette.Gateway.Tests.Workspaces;

public sealed class RetentionRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 27, 12, 0, 0, TimeSpan.Zero);

    private static readonly RetentionRules Rules = new() { Newest = 3, Days = 5, AfterEnd = TimeSpan.FromDays(30) };

    [Fact]
    public void Newest_Stay_AndTheLastOfEachDay()
    {
        // Six a day, four hours apart, for eight days.
        var all = Enumerable.Range(0, 48).Select(i => new CheckpointMark($"{i}", Now.AddHours(-4 * i))).ToList();
        var stay = all.Where(mark => !Rules.Choose(all, null, Now).Contains(mark.Id)).ToList();
        Assert.Equal(["0", "1", "2"], stay.Take(3).Select(mark => mark.Id));
        var others = stay.Skip(3).ToList();
        Assert.Equal(4, others.Count);
        Assert.All(others, mark => Assert.Equal(20, mark.CreatedAt.Hour));
        Assert.Equal(4, others.Select(mark => mark.CreatedAt.Date).Distinct().Count());
    }

    [Fact]
    public void Ended_GoesWhole_WhenItsTimeIsOver_AndNotBefore()
    {
        List<CheckpointMark> all = [new("b", Now.AddDays(-40)), new("a", Now.AddDays(-41))];
        Assert.Empty(Rules.Choose(all, Now.AddDays(-30), Now));
        Assert.Equal(["b", "a"], Rules.Choose(all, Now.AddDays(-31), Now));
        Assert.Empty((Rules with { AfterEnd = TimeSpan.Zero }).Choose(all, Now.AddDays(-4000), Now));
    }

    [Property]
    public void Living_AlwaysKeepsItsNewest_AndASecondRoundChangesNothing(PositiveInt newest, byte days, NonNegativeInt[] minutes)
    {
        var rules = Rules with { Newest = newest.Get, Days = days };
        var all = minutes.Select(m => m.Get).Distinct().Order().Select(m => new CheckpointMark($"{m}", Now.AddMinutes(-m))).ToList();
        var gone = rules.Choose(all, null, Now);
        Assert.Equal(Math.Min(all.Count, newest.Get), all.Take(newest.Get).Count(mark => !gone.Contains(mark.Id)));
        Assert.Empty(rules.Choose([.. all.Where(mark => !gone.Contains(mark.Id))], null, Now));
    }

    [Fact]
    public void NoNewest_IsOne() => Assert.Empty((Rules with { Newest = 0, Days = 0 }).Choose([new("a", Now.AddDays(-9))], null, Now));
}
