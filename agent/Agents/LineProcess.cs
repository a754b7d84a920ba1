using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents;

/// <summary>Takes what an agent's process says.</summary>
internal interface ILineListener
{
    /// <summary>A line of standard output, or a piece of one that is too long to hold.</summary>
    void OnLine(LineProcess process, ReadOnlyMemory<byte> line, bool partial);

    /// <summary>A line of standard error.</summary>
    void OnErrorLine(LineProcess process, ReadOnlyMemory<byte> line);

    /// <summary>What was read so far has been passed on; waits while there is no room for more.</summary>
    ValueTask OnDrainedAsync(CancellationToken cancellationToken);

    /// <summary>The process has ended and said all that it will ever say.</summary>
    void OnEnded(LineProcess process, ExitStatus status);
}

/// <summary>A running agent that talks in lines over its standard input and output: its pipes and its end.</summary>
internal class LineProcess
{
    /// <summary>Longest line that is parsed. Agents' own messages stay far below.</summary>
    public const int MaxLine = 64 * 1024 * 1024;

    private const int MaxErrorLine = 64 * 1024;
    private const int TailBytes = 4096;

    private readonly ChildProcess child;
    private readonly OutputPump pump;
    private readonly TimeProvider clock;
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly OutputTail errors = new(TailBytes);

    private readonly ILineListener listener;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Nothing is read before <see cref="Begin"/>.</summary>
    public LineProcess(ChildProcess child, TimeProvider clock, ILineListener listener)
    {
        this.child = child;
        this.clock = clock;
        this.listener = listener;
        pump = new OutputPump(child, clock) { Drained = listener.OnDrainedAsync };
    }

    public int Pid => child.Pid;

    /// <summary>Completes after <see cref="ILineListener.OnEnded"/>.</summary>
    public Task Ended => ended.Task;

    /// <summary>Its reader waits for room in the spool.</summary>
    public bool IsHeld => pump.IsHeld;

    /// <summary>The end of its standard error.</summary>
    public string ErrorTail => errors.ToString();

    /// <summary>Starts to read. Called once, when whoever listens knows this process.</summary>
    public void Begin() => _ = RunAsync();

    /// <summary>Writes one line.</summary>
    /// <exception cref="IOException">The process does not read any more.</exception>
    public async Task WriteAsync(ReadOnlyMemory<byte> line)
    {
        await writing.WaitAsync().ConfigureAwait(false);
        try
        {
            await child.Input.WriteAsync(line).ConfigureAwait(false);
        }
        catch (ObjectDisposedException exception)
        {
            throw new IOException("The process is being stopped.", exception);
        }
        finally
        {
            writing.Release();
        }
    }

    /// <summary>End of file on its input, after <paramref name="patience"/> SIGTERM, after as much again SIGKILL.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        await child.Input.DisposeAsync().ConfigureAwait(false);
        if (await EndsWithinAsync(patience).ConfigureAwait(false))
            return;
        Terminate();
        if (await EndsWithinAsync(patience).ConfigureAwait(false))
            return;
        Kill();
        await Ended.ConfigureAwait(false);
    }

    public void Terminate() => child.Signal(Libc.SigTerm);

    public void Kill()
    {
        child.KillTree();
        pump.Abandon();
    }

    private async Task<bool> EndsWithinAsync(TimeSpan patience)
    {
        try
        {
            await Ended.WaitAsync(patience, clock).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task RunAsync()
    {
        var status = await pump.RunAsync(
            (MaxLine, (line, partial) => listener.OnLine(this, line, partial)),
            (MaxErrorLine, (line, _) =>
            {
                errors.Add(line.Span);
                listener.OnErrorLine(this, line);
            })).ConfigureAwait(false);
        listener.OnEnded(this, status);
        ended.SetResult();
    }
}
