using System.Text;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Claude;

/// <summary>What to do about a turn that never began.</summary>
internal enum TurnRetry
{
    /// <summary>It began: its end is the run's.</summary>
    No,

    /// <summary>The process was dead already: start another one.</summary>
    OldConversation,

    /// <summary>Claude does not know the conversation that it was told to resume: begin a new one.</summary>
    NewConversation,
}

/// <summary>A run while Claude works on it.</summary>
internal sealed class ClaudeTurn(StartRun run)
{
    private readonly TaskCompletionSource<RunResult> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public StartRun Run { get; } = run;

    /// <summary>The run's id as events carry it.</summary>
    public byte[] Id { get; } = Encoding.UTF8.GetBytes(run.Run);

    /// <summary>The process that works on it; null until it was told.</summary>
    public ClaudeProcess? Process { get; set; }

    /// <summary>Completes when Claude gave its result or ended without one.</summary>
    public Task<RunResult> Completion => completion.Task;

    /// <summary>Id of the prompt line; Claude tells by it when it begins.</summary>
    public string PromptId { get; } = Guid.NewGuid().ToString();

    /// <summary>Claude has the prompt and works on something else first.</summary>
    public bool IsQueued { get; set; }

    /// <summary>More that Claude was given meanwhile.</summary>
    public ClaudeMail Mail { get; } = new();

    /// <summary>Set when the driver itself ended the turn and knows better why: then this is how the run ended.</summary>
    public RunResult? Verdict { get; set; }

    /// <summary>A denial that should end the turn was passed on.</summary>
    public bool DeniedWithInterrupt { get; set; }

    /// <summary>The turn never began; how it may be tried again.</summary>
    public TurnRetry Again { get; set; }

    /// <summary>The process said something since it was given the prompt.</summary>
    public bool Heard { get; set; }

    /// <summary>Tool calls that have no result yet.</summary>
    public int OpenTools { get; set; }

    /// <summary>When the account's quota comes back, once Claude said that it is used up.</summary>
    public DateTimeOffset? QuotaResetsAt { get; set; }

    public bool Complete(RunResult result) => completion.TrySetResult(result);
}
