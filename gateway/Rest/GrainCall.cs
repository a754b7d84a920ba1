namespace Marionette.Gateway.Rest;

/// <summary>
/// Calls a grain again when the silo it was on went away, when the call never reached one, or when no answer comes. Every command carries its id, so a
/// second delivery changes nothing; the caller of the API need not see that a silo died.
/// </summary>
internal static class GrainCall
{
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2)];

    /// <summary>Nobody says that a silo is dead for seconds, and a call to it would wait for the response time-out of 30 s.</summary>
    public static readonly TimeSpan Patience = Grpc.GrainCalls.Patience;

    /// <summary>
    /// The answer to the call, or to a repeat of it. A call whose answer is late is not given up: if its grain is alive and only slow, then its answer comes
    /// before that of the repeat, and it alone tells what the command has done.
    /// </summary>
    public static async Task<T> RunAsync<T>(TimeProvider clock, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        var pending = new List<Task<T>>(Pauses.Length + 1);
        for (var repeats = 0; ; repeats++)
        {
            pending.Add(SendAsync());
            var last = repeats == Pauses.Length;
            while (await FirstOfAsync(pending, last ? Timeout.InfiniteTimeSpan : Patience, clock, cancellationToken) is { } answered)
            {
                pending.Remove(answered);
                if (!IsLost(answered) || (last && pending.Count == 0)) return await answered;
                if (pending.Count > 0) continue;
                await Task.Delay(Pauses[repeats], clock, cancellationToken);
                break;
            }
        }

        async Task<T> SendAsync() => await call(cancellationToken);
    }

    /// <summary>The first call that has ended, or null if none does within the patience.</summary>
    private static async Task<Task<T>?> FirstOfAsync<T>(List<Task<T>> pending, TimeSpan patience, TimeProvider clock, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.WhenAny(pending).WaitAsync(patience, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    private static bool IsLost(Task call) => call.Exception?.InnerException is SiloUnavailableException or OrleansMessageRejectionException;
}
