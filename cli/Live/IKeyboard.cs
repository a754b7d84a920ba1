namespace Marionette.Cli.Live;

/// <summary>A person at a terminal. The seam between questions and the console.</summary>
internal interface IKeyboard
{
    /// <summary>The next key. Cancelling gives the question up; the key that is pressed later goes to the next question.</summary>
    Task<ConsoleKeyInfo> ReadKeyAsync(CancellationToken cancellationToken);
}

/// <summary>The console's keys, read without showing them.</summary>
internal sealed class ConsoleKeyboard : IKeyboard
{
    // One read at a time: it cannot be called back, so a question that was given up leaves it for the next one.
    private Task<ConsoleKeyInfo>? pending;

    public async Task<ConsoleKeyInfo> ReadKeyAsync(CancellationToken cancellationToken)
    {
        pending ??= Task.Factory.StartNew(() => Console.ReadKey(intercept: true), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var key = await pending.WaitAsync(cancellationToken).ConfigureAwait(false);
        pending = null;
        return key;
    }
}
