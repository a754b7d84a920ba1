using Marionette.Agent.Channel;

namespace Marionette.Agent.Tests.Channel;

public sealed class ReconnectPolicyTests
{
    [Fact]
    public void Next_DoublesItsBound_UpToFiveSeconds()
    {
        var policy = new ReconnectPolicy(new Largest());
        double[] expected = [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];
        foreach (var bound in expected)
            Assert.Equal(bound, policy.Next().TotalMilliseconds, 0.01);
    }

    [Fact]
    public void Next_SpreadsOverTheWholeBound()
    {
        var policy = new ReconnectPolicy(new Random(7));
        for (var i = 0; i < 10; i++)
            policy.Next();
        var pauses = Enumerable.Range(0, 1000).Select(_ => policy.Next().TotalMilliseconds).ToList();
        Assert.All(pauses, pause => Assert.InRange(pause, 0, 5000));
        Assert.True(pauses.Min() < 250 && pauses.Max() > 4750);
        Assert.InRange(pauses.Average(), 2300, 2700);
    }

    [Fact]
    public void Succeeded_StartsAgainSmall()
    {
        var policy = new ReconnectPolicy(new Largest());
        for (var i = 0; i < 8; i++)
            policy.Next();
        policy.Succeeded();
        Assert.Equal(50, policy.Next().TotalMilliseconds, 0.01);
    }

    private sealed class Largest : Random
    {
        public override double NextDouble() => 0.9999999;
    }
}
