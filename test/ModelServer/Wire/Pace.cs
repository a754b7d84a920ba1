using System.Collections.Concurrent;

namespace Marionette.ModelServer.Wire;

/// <summary>
/// The pauses of answers. One that names a gate is not made any more once that gate is open: whoever needed the answer to be
/// slow says when it has been slow for long enough.
/// </summary>
internal sealed class Pace(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = new(StringComparer.Ordinal);

    /// <summary>Opens a gate, also for answers that are yet to come. Opening it again changes nothing.</summary>
    public void Open(string gate) => GateOf(gate).TrySetResult();

    /// <param name="gate">The gate that ends the pause early; null for none.</param>
    public Task WaitAsync(TimeSpan pause, string? gate, CancellationToken cancellationToken) => gate is null
        ? Task.Delay(pause, time, cancellationToken)
        : WaitAsync(pause, GateOf(gate).Task, cancellationToken);

    private async Task WaitAsync(TimeSpan pause, Task gate, CancellationToken cancellationToken)
    {
        if (gate.IsCompleted) return;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(Task.Delay(pause, time, over.Token), gate);
        await over.CancelAsync(); // an open gate leaves no timer behind
        cancellationToken.ThrowIfCancellationRequested();
    }

    private TaskCompletionSource GateOf(string name) =>
        _gates.GetOrAdd(name, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
