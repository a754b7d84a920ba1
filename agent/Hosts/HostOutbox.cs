using System.Threading.Channels;
using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts;

/// <summary>
/// What is to be said to the server, in order, across connections. Results and notices are kept until a heartbeat that followed them was answered, and are
/// said again on the next connection when it was not: at least once. Progress, heartbeats and inventories belong to one connection.
/// </summary>
/// <param name="notices">What happens unasked; it is read while there is a connection alone, so that its own bound holds while there is none.</param>
/// <param name="inventory">
/// Everything as it is now. Asked at the moment of writing: an inventory never lacks what a message before it told of.
/// </param>
/// <param name="load">How busy the host is.</param>
internal sealed class HostOutbox(ChannelReader<HostMessage> notices, Func<Inventory> inventory, Func<HostHeartbeat> load, TimeProvider clock)
{
    private static readonly HostMessage InventoryMark = new() { Inventory = new Inventory() };

    private readonly Lock gate = new();
    private readonly AsyncSignal changed = new();
    private readonly Queue<(long Beat, HostMessage Message)> written = new();
    private Queue<HostMessage> waiting = new();
    private HostMessage? last;
    private long beat;

    /// <summary>Says it in its turn.</summary>
    public void Say(HostMessage message)
    {
        lock (gate)
            Enqueue(message);
        changed.Set();
    }

    /// <summary>Says a result. One that is said again may be older than the last inventory: another one follows it.</summary>
    public void Say(OrderResult result, bool again)
    {
        lock (gate)
        {
            Enqueue(new HostMessage { Result = result });
            if (again)
                Enqueue(InventoryMark);
        }

        changed.Set();
    }

    /// <summary>An inventory, made when its turn comes.</summary>
    public void SayInventory() => Say(InventoryMark);

    /// <summary>A heartbeat; its answer confirms everything before it.</summary>
    public void SayHeartbeat()
    {
        var message = new HostMessage { Heartbeat = load() };
        lock (gate)
        {
            // Rising even when the clock does not: the answer is told apart by it.
            beat = Math.Max(beat + 1, clock.GetUtcNow().ToUnixTimeMilliseconds());
            message.Heartbeat.SentMs = beat;
            Enqueue(message);
        }

        changed.Set();
    }

    /// <summary>The answer to a heartbeat.</summary>
    public void Confirm(long sentMs)
    {
        lock (gate)
        {
            while (written.TryPeek(out var first) && first.Beat != 0 && first.Beat <= sentMs)
                written.Dequeue();
        }
    }

    /// <summary>For a new connection: what the last one may have lost comes first.</summary>
    public void Rewind()
    {
        lock (gate)
        {
            var next = new Queue<HostMessage>(written.Select(entry => entry.Message).Concat(waiting).Where(IsKept));
            // The hello's inventory is newer than these: what they say must not stand as the last word.
            if (next.Any(message => message.KindCase == HostMessage.KindOneofCase.Result))
                next.Enqueue(InventoryMark);
            waiting = next;
            last = next.LastOrDefault();
            written.Clear();
        }

        changed.Set();
    }

    /// <summary>The next message to write; waits for one.</summary>
    public async ValueTask<HostMessage> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            HostMessage? message;
            lock (gate)
            {
                if (waiting.Count == 0 && notices.TryRead(out var notice))
                    Enqueue(notice);
                if (waiting.TryDequeue(out message))
                    Hand(message);
            }

            if (message is not null)
                return ReferenceEquals(message, InventoryMark) ? new HostMessage { Inventory = inventory() } : message;
            await WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var said = changed.WaitAsync(either.Token).AsTask();
        var happened = notices.WaitToReadAsync(either.Token).AsTask();
        var first = await Task.WhenAny(said, happened).ConfigureAwait(false);
        // Notices that are complete for ever must not make this loop run hot.
        if (first == happened && happened.IsCompletedSuccessfully && !await happened.ConfigureAwait(false))
            await said.ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll(said, happened).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // Under the gate.
    private void Enqueue(HostMessage message)
    {
        if (ReferenceEquals(message, InventoryMark) && waiting.Count > 0 && ReferenceEquals(last, InventoryMark))
            return;
        waiting.Enqueue(message);
        last = message;
    }

    // Under the gate. A message counts as written from here on; if its connection fails, the next one begins with it.
    private void Hand(HostMessage message)
    {
        if (IsKept(message))
            written.Enqueue((0, message));
        if (message.KindCase == HostMessage.KindOneofCase.Heartbeat)
            Mark(message.Heartbeat.SentMs);
    }

    private void Mark(long sentMs)
    {
        for (var left = written.Count; left > 0; left--)
        {
            var entry = written.Dequeue();
            written.Enqueue(entry.Beat == 0 ? (sentMs, entry.Message) : entry);
        }
    }

    private static bool IsKept(HostMessage message) => message.KindCase
        is HostMessage.KindOneofCase.Result or HostMessage.KindOneofCase.Ended or HostMessage.KindOneofCase.Blocked or HostMessage.KindOneofCase.Throttled;
}
