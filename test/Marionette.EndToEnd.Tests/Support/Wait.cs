using System.Diagnostics;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>Waits on conditions, with a deadline that only a broken program meets and a message that says what was missing.</summary>
internal static class Wait
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    public static Task ForAsync(Func<bool> condition, string what, Func<string>? evidence = null, TimeSpan? patience = null) =>
        ForAsync(() => Task.FromResult(condition()), what, evidence, patience);

    public static async Task ForAsync(Func<Task<bool>> condition, string what, Func<string>? evidence = null, TimeSpan? patience = null)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > (patience ?? Patience)) throw new TimeoutException($"Waited {watch.Elapsed.TotalSeconds:0} s for {what}.\n{evidence?.Invoke()}");
            await Task.Delay(20); // The pause between two looks; the condition decides.
        }
    }
}
