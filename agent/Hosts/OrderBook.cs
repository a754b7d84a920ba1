using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts;

/// <summary>
/// The orders of this process: each id is worked on once. An id that comes again joins the work that is under way, or gets the kept result said again.
/// Orders for one runner run one after another in the order of their coming, those for different runners at once.
/// </summary>
/// <param name="work">Carries an order out. It fails by cancellation alone: then there is no result, and the id may come again.</param>
/// <param name="say">Told of each result, from any thread; true where it was said before.</param>
/// <param name="keep">Results that are kept; the oldest go first.</param>
/// <param name="atOnce">Orders that are worked on at once.</param>
internal sealed class OrderBook(
    Func<Order, CancellationToken, Task<OrderResult>> work, Action<OrderResult, bool> say, int keep = OrderBook.Kept, int atOnce = OrderBook.AtOnce)
    : IDisposable
{
    public const int Kept = 1024;
    public const int AtOnce = 16;

    /// <summary>For orders that were given up, until they have ended.</summary>
    public static readonly TimeSpan GivingUp = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly HashSet<string> running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OrderResult> results = new(StringComparer.Ordinal);
    private readonly Queue<string> ages = new();
    private readonly Dictionary<string, (Task Tail, int Length)> lanes = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim slots = new(atOnce, atOnce);
    private readonly CancellationTokenSource life = new();
    private bool closed;

    /// <summary>Begins an order, or says its result again, or does nothing because it is under way or the book is closed.</summary>
    public void Take(Order order)
    {
        OrderResult? known;
        lock (gate)
        {
            if (closed)
                return;
            if (!results.TryGetValue(order.Id, out known))
            {
                if (!running.Add(order.Id))
                    return;
                var key = RunnerOf(order);
                var lane = lanes.GetValueOrDefault(key, (Tail: Task.CompletedTask, Length: 0));
                lanes[key] = (WorkAsync(order, key, lane.Tail), lane.Length + 1);
            }
        }

        if (known is not null)
            say(known, true);
    }

    /// <summary>
    /// Takes no more orders, and waits for those that are under way: for so long, and then gives them up. Who clears up after itself gets
    /// <see cref="GivingUp"/> for it; what does not end by then is left behind.
    /// </summary>
    public async Task CloseAsync(TimeSpan grace, TimeProvider clock)
    {
        Task[] open;
        lock (gate)
        {
            closed = true;
            open = [.. lanes.Values.Select(lane => lane.Tail)];
        }

        var ended = Task.WhenAll(open);
        try
        {
            await ended.WaitAsync(grace, clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await life.CancelAsync().ConfigureAwait(false);
            await ended.WaitAsync(GivingUp, clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            if (lanes.Count > 0)
                return; // left behind: it still gives its slot back, and ends with this process
        }

        life.Dispose();
        slots.Dispose();
    }

    /// <summary>Key of the runner that an order is for; empty for one that is for the whole host.</summary>
    internal static string RunnerOf(Order order) => order.WhatCase switch
    {
        Order.WhatOneofCase.Ensure => order.Ensure.Runner,
        Order.WhatOneofCase.Observe => order.Observe.Runner,
        Order.WhatOneofCase.Stop => order.Stop.Runner,
        Order.WhatOneofCase.Release => order.Release.Runner,
        Order.WhatOneofCase.Pause => order.Pause.Runner,
        Order.WhatOneofCase.Unpause => order.Unpause.Runner,
        Order.WhatOneofCase.Egress => order.Egress.Runner,
        _ => "",
    };

    // The lane first, then a slot: who waits for his own runner takes no room from others.
    private async Task WorkAsync(Order order, string lane, Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        OrderResult? result = null;
        try
        {
            await slots.WaitAsync(life.Token).ConfigureAwait(false);
            try
            {
                result = await work(order, life.Token).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        }
        catch (OperationCanceledException) when (life.IsCancellationRequested)
        {
            // The process ends: the server gives the order again to the next one.
        }

        lock (gate)
        {
            running.Remove(order.Id);
            if (lanes[lane] is { Length: > 1 } longer)
                lanes[lane] = longer with { Length = longer.Length - 1 };
            else
                lanes.Remove(lane);
            if (result is not null)
                Keep(order.Id, result);
        }

        if (result is not null)
            say(result, false);
    }

    private void Keep(string id, OrderResult result)
    {
        results[id] = result;
        ages.Enqueue(id);
        if (ages.Count > keep)
            results.Remove(ages.Dequeue());
    }
}
