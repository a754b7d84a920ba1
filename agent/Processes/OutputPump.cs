namespace Marionette.Agent.Processes;

/// <summary>Takes the lines of one output.</summary>
/// <param name="line">Without its line feed; valid during the call.</param>
/// <param name="partial">The line goes on in the next call.</param>
internal delegate void LineHandler(ReadOnlyMemory<byte> line, bool partial);

/// <summary>
/// Reads both outputs of a child to their end. When nothing has room for more, reading stops, the pipe fills, and the child
/// waits: nothing is lost and nothing grows.
/// </summary>
internal sealed class OutputPump(ChildProcess child, TimeProvider clock)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource stop = new();
    private long reads;
    private int held;

    /// <summary>Called after each piece of input; reading goes on when it completes.</summary>
    public required Func<CancellationToken, ValueTask> Drained { get; init; }

    /// <summary>Whether a reader waits for room.</summary>
    public bool IsHeld => Volatile.Read(ref held) > 0;

    /// <summary>Completes when the child has ended and its outputs are read.</summary>
    public async Task<ExitStatus> RunAsync((int MaxLine, LineHandler Take) output, (int MaxLine, LineHandler Take) error)
    {
        var drained = Task.WhenAll(ReadAsync(child.Output, output), ReadAsync(child.Error, error));
        var status = await child.Exited.ConfigureAwait(false);
        // A grandchild may hold the pipes open for ever. What the child itself wrote is in them, and is read when they are quiet.
        var before = -1L;
        while (!drained.IsCompleted && !stop.IsCancellationRequested)
        {
            var now = Interlocked.Read(ref reads);
            if (now == before && !IsHeld)
                break;
            before = now;
            await Task.WhenAny(drained, Task.Delay(Quiet, clock, stop.Token)).ConfigureAwait(false);
        }

        await stop.CancelAsync().ConfigureAwait(false);
        await drained.ConfigureAwait(false);
        child.Dispose();
        return status;
    }

    /// <summary>Stop reading once the child has ended, whatever is left: it was killed.</summary>
    public void Abandon() => stop.Cancel();

    private async Task ReadAsync(Stream stream, (int MaxLine, LineHandler Take) target)
    {
        await Task.Yield();
        using var reader = new LineReader(stream, target.MaxLine);
        try
        {
            bool more;
            do
            {
                more = await reader.FillAsync(stop.Token).ConfigureAwait(false);
                Interlocked.Increment(ref reads);
                while (reader.TryTake(out var line, out var partial))
                    target.Take(line, partial);
                var room = Drained(stop.Token);
                if (room.IsCompletedSuccessfully)
                    continue;
                Interlocked.Increment(ref held);
                try
                {
                    await room.ConfigureAwait(false);
                }
                finally
                {
                    Interlocked.Decrement(ref held);
                }
            }
            while (more);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // Stopped, or the pipe broke with its writer: how the process ended tells what happened.
        }
    }
}
