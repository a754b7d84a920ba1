namespace Marionette.Cluster.Tests;

/// <summary>Waits for what another process or a server does in its own time.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Polls until the value is as wanted; fails with the last value seen.</summary>
    public static async Task<T> SeesAsync<T>(
        string what, Func<Task<T>> read, Func<T, bool> wanted, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var value = await read();
            if (wanted(value)) return value;
            Assert.SkipWhen(cancellationToken.IsCancellationRequested, "The run was cancelled.");
            if (TimeProvider.System.GetElapsedTime(began) > Limit) Assert.Fail($"{what}: still {value} after {Limit}.");
            // The pause between two looks; the condition decides.
            await Task.Delay(50, cancellationToken);
        }
    }
}
