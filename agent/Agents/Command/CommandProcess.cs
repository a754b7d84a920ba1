using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Command;

/// <summary>A running command.</summary>
internal sealed class CommandProcess(ChildProcess child, CommandOptions options, CommandInput input)
{
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly CancellationTokenSource ending = new();
    private volatile bool isToEnd;

    public ChildProcess Child => child;

    public CommandOptions Options => options;

    /// <summary>A person's answer ends the run: set before the program hears it, which may be quicker to end by itself.</summary>
    public bool IsToEnd { get => isToEnd; set => isToEnd = value; }

    /// <summary>Cancelled when a person's answer ends the run.</summary>
    public CancellationToken Ending => ending.Token;

    public void End() => ending.Cancel();

    /// <summary>Writes what it is given at the start; the end of its input follows, unless more may come.</summary>
    public async Task FeedAsync()
    {
        await TellAsync(input.Input).ConfigureAwait(false);
        if (options.Lines)
            return;
        try
        {
            await child.Input.DisposeAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It does not want its input (all of it).
        }
    }

    /// <summary>Writes to its standard input.</summary>
    /// <returns>False when it does not read any more.</returns>
    public async Task<bool> TellAsync(ReadOnlyMemory<byte> bytes)
    {
        await writing.WaitAsync().ConfigureAwait(false);
        try
        {
            // A pipe holds nothing back; and a child that has read all of it may be gone by now, which is no failure to tell it.
            await child.Input.WriteAsync(bytes).ConfigureAwait(false);
            return true;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            writing.Release();
        }
    }
}
