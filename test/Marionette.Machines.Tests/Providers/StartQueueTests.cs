using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Providers;

namespace Marionette.Machines.Tests.Providers;

public sealed class StartQueueTests
{
    private static readonly StartLimits None = new(0, 0, 0);

    [Fact]
    public void Take_OneTenant_KeepsTheOrder()
    {
        var queue = Queue("a/1", "a/2", "a/3");
        Assert.Equal(["a/1", "a/2", "a/3"], Drain(queue, None));
    }

    [Fact]
    public void Take_AGreedyTenant_DelaysNobodyElse()
    {
        var queue = Queue([.. Enumerable.Range(0, 100).Select(i => $"greedy/{i:d3}"), "small/1"]);
        Assert.Equal(["greedy/000", "small/1", "greedy/001"], Drain(queue, None).Take(3));
    }

    [Fact]
    public void Take_ATenantAtItsLimit_IsPassedOver()
    {
        var queue = Queue("a/1", "a/2", "b/1");
        Assert.Equal(["a/1", "b/1"], Drain(queue, new StartLimits(0, 1, 0)));
        Assert.Equal(1, queue.Count);
    }

    [Theory]
    [InlineData(2, 0, 2)]
    [InlineData(0, 2, 2)]
    [InlineData(3, 2, 2)]
    public void Take_BeyondTheLimits_IsNothing(int maxRunners, int maxStarting, int taken) =>
        Assert.Equal(taken, Drain(Queue("a/1", "b/1", "c/1", "d/1"), new StartLimits(maxRunners, 0, maxStarting)).Count);

    [Fact]
    public void Put_Again_KeepsThePlaceAndTakesTheNewContent()
    {
        var queue = new StartQueue<string>();
        queue.Put("a/1", "old");
        queue.Put("a/2", "second");
        queue.Put("a/1", "new");
        Assert.Equal("new", queue.Take(new Dictionary<string, int>(), 0, None));
    }

    [Fact]
    public void PutBack_GoesBeforeTheOthersOfItsTenant()
    {
        var queue = Queue("a/1", "a/2");
        var first = queue.Take(new Dictionary<string, int>(), 0, None)!;
        queue.PutBack(first, first);
        Assert.Equal(["a/1", "a/2"], Drain(queue, None));
    }

    /// <summary>Whatever is put, removed and taken: nothing is lost, nothing comes twice, no tenant is ever two ahead of another that waits.</summary>
    [Property(MaxTest = 200)]
    public Property Taking_IsFair_AndLosesNothing() => Prop.ForAll(
        Gen.Choose(0, 3).ListOf(40).ToArbitrary(),
        tenants =>
        {
            var keys = tenants.Select((tenant, i) => $"t{tenant}/{i:d3}").ToList();
            var queue = Queue([.. keys]);
            var held = new Dictionary<string, int>();
            var taken = new List<string>();
            while (queue.Take(held, 0, None) is { } key)
            {
                var tenant = StartQueue<string>.TenantOf(key);
                var waiting = keys.Except(taken).Select(StartQueue<string>.TenantOf).Distinct();
                if (waiting.Any(other => held.GetValueOrDefault(other) < held.GetValueOrDefault(tenant))) return false;
                held[tenant] = held.GetValueOrDefault(tenant) + 1;
                taken.Add(key);
            }

            return taken.Order().SequenceEqual(keys.Order()) && queue.Count == 0;
        });

    private static StartQueue<string> Queue(params string[] keys)
    {
        var queue = new StartQueue<string>();
        foreach (var key in keys) queue.Put(key, key);
        return queue;
    }

    private static List<string> Drain(StartQueue<string> queue, StartLimits limits)
    {
        var (held, taken) = (new Dictionary<string, int>(), new List<string>());
        while (queue.Take(held, taken.Count, limits) is { } key)
        {
            taken.Add(key);
            var tenant = StartQueue<string>.TenantOf(key);
            held[tenant] = held.GetValueOrDefault(tenant) + 1;
        }

        return taken;
    }
}
