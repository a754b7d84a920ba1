using Marionette.Agent.Processes;

namespace Marionette.Agent.Agents.Claude;

/// <summary>One running Claude Code.</summary>
internal sealed class ClaudeProcess(ChildProcess child, ClaudeLaunch launch, TimeProvider clock, ILineListener listener)
    : LineProcess(child, clock, listener)
{
    /// <summary>How it was started.</summary>
    public ClaudeLaunch Launch => launch;

    /// <summary>
    /// Sum that its last result told, US dollars; null while a resumed conversation's is not known. Claude counts per
    /// conversation, not per turn.
    /// </summary>
    public double? Cost { get; set; } = launch.Resumed ? null : 0;

    /// <summary>Prompts that it was given.</summary>
    public int Turns { get; set; }

    /// <summary>It has begun to work: the first <c>init</c> line was seen.</summary>
    public bool Ready { get; set; }
}
