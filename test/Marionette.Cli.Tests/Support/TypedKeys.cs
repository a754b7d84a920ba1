using System.Threading.Channels;
using Marionette.Cli.Live;

namespace Marionette.Cli.Tests.Support;

/// <summary>A keyboard whose keys the test presses; a read waits for the next one.</summary>
internal sealed class TypedKeys : IKeyboard
{
    private readonly Channel<ConsoleKeyInfo> keys = Channel.CreateUnbounded<ConsoleKeyInfo>();

    public TypedKeys(string text = "")
    {
        Type(text);
    }

    /// <summary>Completes when somebody waits for a key that was not pressed yet.</summary>
    public TaskCompletionSource Waiting { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Type(string text)
    {
        foreach (var c in text)
        {
            var key = c switch { '\n' => ConsoleKey.Enter, '\e' => ConsoleKey.Escape, '\b' => ConsoleKey.Backspace, _ => ConsoleKey.None };
            keys.Writer.TryWrite(new ConsoleKeyInfo(c, key, false, false, false));
        }
    }

    public async Task<ConsoleKeyInfo> ReadKeyAsync(CancellationToken cancellationToken)
    {
        if (keys.Reader.TryRead(out var key))
            return key;
        Waiting.TrySetResult();
        return await keys.Reader.ReadAsync(cancellationToken);
    }
}
