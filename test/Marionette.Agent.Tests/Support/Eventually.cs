using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Marionette.Agent.Tests.Support;

/// <summary>Waits for something outside this process that tells nobody when it happens.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(180);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(10);

    public static async Task TrueAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Limit, $"not within {Limit.TotalSeconds} s: {what}");
            // The pause between two looks; the condition decides.
            await Task.Delay(Glance);
        }
    }
}
