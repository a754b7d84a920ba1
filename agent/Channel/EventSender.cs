using Marionette.Agent.Spool;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Channel;

/// <summary>
/// Sends the spool from the first unacknowledged event on. An event leaves at once while the line is free; while a write is in
/// flight the following ones gather and leave together.
/// </summary>
internal sealed class EventSender(
    EventSpool spool, Welcome welcome, Func<RunnerFrame, CancellationToken, ValueTask> write)
{
    private const int MaxBatchEvents = 512;
    private const int MaxBatchBytes = 1024 * 1024;

    private readonly Queue<(long Last, int Bytes)> inFlight = new();
    private long inFlightBytes;

    private long MaxEvents => welcome.MaxUnackedEvents == 0 ? long.MaxValue : welcome.MaxUnackedEvents;

    private long MaxBytes => welcome.MaxUnackedBytes == 0 ? long.MaxValue : (long)Math.Min(welcome.MaxUnackedBytes, long.MaxValue);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var batch = new EventBatchBuffer();
        var frame = new RunnerFrame(batch);
        var next = spool.Acked + 1;
        while (true)
        {
            var acked = Settle();
            next = Math.Max(next, acked + 1);
            var room = Math.Min(MaxBatchEvents, MaxEvents - (next - 1 - acked));
            var bytes = (int)Math.Clamp(MaxBytes - inFlightBytes, 1, MaxBatchBytes);
            if (room <= 0 || spool.Read(next, (int)room, bytes, batch) == 0)
            {
                await spool.Changed.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            // An event larger than what is left of the window waits; one larger than the whole window goes alone.
            while (inFlight.Count > 0 && inFlightBytes + batch.Length > MaxBytes)
            {
                await spool.Changed.WaitAsync(cancellationToken).ConfigureAwait(false);
                Settle();
            }

            await write(frame, cancellationToken).ConfigureAwait(false);
            next += batch.Count;
            inFlight.Enqueue((next - 1, batch.Length));
            inFlightBytes += batch.Length;
        }
    }

    private long Settle()
    {
        var acked = spool.Acked;
        while (inFlight.TryPeek(out var sent) && sent.Last <= acked)
        {
            inFlightBytes -= sent.Bytes;
            inFlight.Dequeue();
        }

        return acked;
    }
}
