namespace Marionette.Gateway.Grpc;

/// <summary>Calls that may be repeated, because their grain knows repeats: they wait out a silo that moves and a database that is away.</summary>
internal static partial class GrainCalls
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(50), LongestWait = TimeSpan.FromSeconds(2);

    /// <summary>
    /// A call to a silo that has just died would wait for the whole response time-out of 30 s; a repeat finds the grain where it lives now. Well above what
    /// an append takes, well below the 10 s that a dead silo may cost.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<T> RetryAsync<T>(Func<Task<T>> call, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        for (var wait = FirstWait; ; wait = wait * 2 < LongestWait ? wait * 2 : LongestWait)
        {
            try
            {
                return await call().WaitAsync(Patience, clock, cancellationToken);
            }
            catch (Exception e) when (IsPassing(e) && !cancellationToken.IsCancellationRequested)
            {
                Log.CallRepeated(logger, e.Message);
            }

            await Task.Delay(wait, clock, cancellationToken);
        }
    }

    public static Task RetryAsync(Func<Task> call, TimeProvider clock, ILogger logger, CancellationToken cancellationToken) => RetryAsync(
        async () =>
        {
            await call();
            return true;
        },
        clock, logger, cancellationToken);

    /// <summary>Tells a grain that a stream is away. Informative only, so an error is nothing: the lease runs from the last sign of life in any case.</summary>
    public static async Task TellAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (Exception e) when (e is MarionetteException or OrleansException or TimeoutException or OperationCanceledException or ObjectDisposedException)
        {
            // See above.
        }
    }

    private static bool IsPassing(Exception e) => e switch
    {
        MarionetteException fault => fault.Code is FaultCode.Unavailable or FaultCode.OutcomeUnknown or FaultCode.Internal,
        TimeoutException or OrleansException or OrleansMessageRejectionException => true,
        _ => false,
    };

    private static partial class Log
    {
        [LoggerMessage(6110, LogLevel.Debug, "A call for a stream is repeated: {Message}", EventName = "gateway.stream.repeat")]
        public static partial void CallRepeated(ILogger logger, string message);
    }
}
