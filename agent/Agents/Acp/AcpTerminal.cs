using System.Text;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Acp;

/// <summary>A command that an agent runs through us.</summary>
internal sealed class AcpTerminal
{
    public const int DefaultLimit = 1024 * 1024;

    private const int Piece = 64 * 1024;

    private readonly Lock gate = new();
    private readonly ChildProcess child;
    private readonly OutputPump pump;
    private readonly int limit;
    private readonly StringBuilder output = new();
    private bool truncated;
    private ExitStatus? exit;

    /// <param name="limit">Characters of output that are kept: the newest.</param>
    public AcpTerminal(ChildProcess child, TimeProvider clock, int limit)
    {
        this.child = child;
        this.limit = limit;
        child.Input.Dispose(); // nobody types
        pump = new OutputPump(child, clock) { Drained = static _ => ValueTask.CompletedTask };
        Ended = RunAsync();
    }

    /// <summary>Completes with the command's end, when its output is read.</summary>
    public Task<ExitStatus> Ended { get; }

    public (string Output, bool Truncated, ExitStatus? Exit) Read()
    {
        lock (gate)
            return (output.ToString(), truncated, exit);
    }

    public void Kill()
    {
        child.KillTree();
        pump.Abandon();
    }

    private async Task<ExitStatus> RunAsync()
    {
        var status = await pump.RunAsync((Piece, Add), (Piece, Add)).ConfigureAwait(false);
        lock (gate)
            exit = status;
        return status;
    }

    private void Add(ReadOnlyMemory<byte> line, bool partial)
    {
        lock (gate)
        {
            output.Append(Encoding.UTF8.GetString(line.Span));
            if (!partial)
                output.Append('\n');
            if (output.Length <= limit)
                return;
            var cut = output.Length - limit;
            if (cut < output.Length && char.IsLowSurrogate(output[cut]))
                cut++;
            output.Remove(0, cut);
            truncated = true;
        }
    }
}
