namespace Marionette.Gateway.Rest;

/// <summary>
/// Calls a grain again when the silo it was on went away or the call never reached one. Every command carries its id, so a second
/// delivery changes nothing; the caller of the API need not see that a silo died.
/// </summary>
internal static class GrainCall
{
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2)];

    public static async Task<T> RunAsync<T>(TimeProvider clock, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await call(cancellationToken);
            }
            catch (Exception exception) when (attempt < Pauses.Length && exception is (SiloUnavailableException or OrleansMessageRejectionException))
            {
                await Task.Delay(Pauses[attempt], clock, cancellationToken);
            }
        }
    }
}
