using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Claude;

/// <summary>One running Claude Code.</summary>
internal sealed class ClaudeProcess(ChildProcess child, ClaudeLaunch launch, TimeProvider clock, ILineListener listener)
    : LineProcess(child, clock, listener)
{
    /// <summary>How it was started.</summary>
    public ClaudeLaunch Launch => launch;

    /// <summary>Requests of ours that it has to answer.</summary>
    public ClaudeControl Control { get; } = new(clock);

    /// <summary>The model that it was last told to use; "" = its default.</summary>
    public string Model { get; set; } = launch.Model;

    private string mode = launch.Mode;

    /// <summary>The permission mode that it is in; a plan that was approved changes it.</summary>
    public string Mode => Volatile.Read(ref mode);

    /// <summary>
    /// Sum that its last result told, US dollars; null while a resumed conversation's is not known. Claude counts per
    /// conversation, not per turn.
    /// </summary>
    public double? Cost { get; set; } = launch.Resumed ? null : 0;

    /// <summary>Sum of the model's time that its last result told, milliseconds; null as with <see cref="Cost"/>.</summary>
    public long? ModelMs { get; set; } = launch.Resumed ? null : 0;

    /// <summary>Prompts that it was given.</summary>
    public int Turns { get; set; }

    /// <summary>It has begun to work: the first <c>init</c> line was seen.</summary>
    public bool Ready { get; set; }

    /// <summary>It is in a mode now. Claude says so twice, in its answer and in a line of its own, in either order and to two of our threads.</summary>
    /// <returns>True for the first to say so.</returns>
    public bool Enters(string next) => Interlocked.Exchange(ref mode, next) != next;
}
