using System.Collections.Concurrent;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Agent.Hosts;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Hosts.Tests.Daemon;

/// <summary>Whatever repeats come, in whatever order, while work is under way or done: each id is worked on once, and its result is always the same.</summary>
public sealed class OrderBookProperties
{
    /// <summary>One thing that happens: order <paramref name="Id"/> comes (again), or the oldest open piece of work ends.</summary>
    public sealed record Step(int Id, bool Finish);

    [Property(MaxTest = 200)]
    public Property EachId_IsWorkedOnce_AndItsResultNeverChanges() => Prop.ForAll(
        (from id in Gen.Choose(0, 11) from finish in Gen.Elements(true, false, false) select new Step(id, finish)).ArrayOf().ToArbitrary(),
        steps => RunAsync(steps));

    [Fact]
    public async Task OrdersForOneRunner_RunOneAfterAnother_InTheirOrder()
    {
        var log = new ConcurrentQueue<string>();
        using var book = new OrderBook(
            async (order, _) =>
            {
                log.Enqueue($"+{order.Id}");
                await Task.Yield();
                log.Enqueue($"-{order.Id}");
                return new OrderResult { Id = order.Id };
            },
            (_, _) => { });
        foreach (var id in Enumerable.Range(0, 50))
            book.Take(HostHarness.Ensure($"o{id:00}", "acme/run_1"));
        await book.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.Equal(Enumerable.Range(0, 50).SelectMany(id => new[] { $"+o{id:00}", $"-o{id:00}" }), log);
    }

    [Fact]
    public async Task OrdersForManyRunners_RunAtOnce_UpToTheBound()
    {
        var now = 0;
        var most = 0;
        var full = new TaskCompletionSource();
        var gate = new TaskCompletionSource();
        using var book = new OrderBook(
            async (order, _) =>
            {
                var count = Interlocked.Increment(ref now);
                InterlockedMax(ref most, count);
                if (count == 3)
                    full.TrySetResult();
                await gate.Task;
                Interlocked.Decrement(ref now);
                return new OrderResult { Id = order.Id };
            },
            (_, _) => { },
            atOnce: 3);
        foreach (var id in Enumerable.Range(0, 20))
            book.Take(HostHarness.Ensure($"o{id}", $"acme/run_{id}"));
        await full.Task.WaitAsync(TimeSpan.FromSeconds(30));
        gate.SetResult();
        await book.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.Equal(3, most);
    }

    [Fact]
    public async Task OldestResults_AreForgotten_AndWorkedAgain()
    {
        var works = new ConcurrentQueue<string>();
        var said = new ConcurrentQueue<(string, bool)>();
        using var book = new OrderBook(
            (order, _) =>
            {
                works.Enqueue(order.Id);
                return Task.FromResult(new OrderResult { Id = order.Id });
            },
            (result, again) => said.Enqueue((result.Id, again)),
            keep: 2);
        var expected = 0;
        foreach (var id in new[] { "a", "b", "c", "b", "a" })
        {
            book.Take(HostHarness.Ensure(id, "acme/run_1"));
            expected++;
            Assert.True(SpinWait.SpinUntil(() => said.Count == expected, TimeSpan.FromSeconds(30)));
        }

        await book.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.Equal(["a", "b", "c", "a"], works);
        Assert.Contains(("b", true), said);
    }

    [Fact]
    public async Task Close_GivesUpWhatTakesTooLong_WithoutAResult()
    {
        var said = new ConcurrentQueue<OrderResult>();
        using var book = new OrderBook(
            async (_, stop) =>
            {
                await Task.Delay(Timeout.Infinite, stop);
                throw new InvalidOperationException("unreachable");
            },
            (result, _) => said.Enqueue(result));
        book.Take(HostHarness.Ensure("o1", "acme/run_1"));
        book.Take(HostHarness.Ensure("o2", "acme/run_1"));
        await book.CloseAsync(TimeSpan.Zero, TimeProvider.System).WaitAsync(TimeSpan.FromSeconds(30));
        book.Take(HostHarness.Ensure("o3", "acme/run_2"));
        Assert.Empty(said);
    }

    [Fact]
    public async Task Close_DoesNotWaitForWorkThatCannotBeGivenUp()
    {
        var never = new TaskCompletionSource<OrderResult>();
        var clock = new FakeTimeProvider();
        var book = new OrderBook((_, _) => never.Task, (_, _) => { });
        book.Take(HostHarness.Ensure("o1", "acme/run_1"));

        var closing = book.CloseAsync(TimeSpan.FromSeconds(10), clock);
        clock.Advance(TimeSpan.FromSeconds(10));
        for (var began = TimeProvider.System.GetTimestamp(); !closing.IsCompleted && TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(30);)
        {
            await Task.Yield();
            clock.Advance(OrderBook.GivingUp);
        }

        Assert.True(closing.IsCompletedSuccessfully);
        book.Dispose();
        never.SetResult(new OrderResult { Id = "o1" });
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }

    private static async Task RunAsync(Step[] steps)
    {
        var works = new ConcurrentDictionary<string, int>();
        var open = new ConcurrentQueue<TaskCompletionSource>();
        var said = new ConcurrentQueue<OrderResult>();
        var all = false;
        using var book = new OrderBook(
            async (order, _) =>
            {
                var count = works.AddOrUpdate(order.Id, 1, (_, before) => before + 1);
                var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                open.Enqueue(gate);
                if (Volatile.Read(ref all))
                    gate.TrySetResult();
                await gate.Task;
                return new OrderResult { Id = order.Id, Runner = new RunnerReport { Runner = order.Ensure.Runner, Epoch = count } };
            },
            (result, _) => said.Enqueue(result),
            atOnce: 2);
        foreach (var step in steps)
        {
            if (step.Finish && open.TryDequeue(out var oldest))
                oldest.TrySetResult();
            else
                book.Take(HostHarness.Ensure($"o{step.Id}", $"acme/run_{step.Id % 4}"));
        }

        Volatile.Write(ref all, true);
        while (open.TryDequeue(out var gate))
            gate.TrySetResult();
        var closing = book.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        while (!closing.IsCompleted)
        {
            while (open.TryDequeue(out var gate))
                gate.TrySetResult();
            await Task.Yield();
        }

        await closing;
        var taken = said.Select(result => result.Id).ToHashSet();
        Assert.All(works, work => Assert.Equal(1, work.Value));
        Assert.Equal(works.Keys.Order(), taken.Order());
        Assert.All(said.GroupBy(result => result.Id), same => Assert.Single(same.Distinct()));
        Assert.All(said, result => Assert.Equal(1, result.Runner.Epoch));
    }
}
