using System.Text;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Rpc;

/// <summary>A run while the agent works on it.</summary>
internal sealed class RpcTurn(StartRun run)
{
    private readonly HashSet<string> openTools = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource<RunResult> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public StartRun Run { get; } = run;

    /// <summary>The run's id as events carry it.</summary>
    public byte[] Id { get; } = Encoding.UTF8.GetBytes(run.Run);

    /// <summary>The process that works on it; null until it has one.</summary>
    public RpcProcess? Process { get; set; }

    /// <summary>The agent's own id of the turn; null until it said so.</summary>
    public string? AgentTurn { get; set; }

    /// <summary>Completes with the end of the run.</summary>
    public Task<RunResult> Completion => completion.Task;

    /// <summary>Set when the driver itself ended the turn and knows better why: then this is how the run ended.</summary>
    public RunResult? Verdict { get; set; }

    /// <summary>A denial that should end the turn was passed on.</summary>
    public bool DeniedWithInterrupt { get; set; }

    /// <summary>The agent was, or as soon as it can be will be, asked to end the turn.</summary>
    public bool InterruptWanted { get; set; }

    /// <summary>The process said something since it was given the prompt.</summary>
    public bool Heard { get; set; }

    /// <summary>The turn never began, because the process was dead already: worth another try.</summary>
    public bool Again { get; set; }

    /// <summary>A tool call has no result yet.</summary>
    public bool HasOpenTools
    {
        get
        {
            lock (openTools)
                return openTools.Count > 0;
        }
    }

    /// <summary>The agent's newest whole message: the run's result when it ends well.</summary>
    public string? LastText { get; set; }

    /// <summary>What the model used so far in this run.</summary>
    public TokenUsage Usage { get; private set; }

    /// <summary>Answers of the model so far.</summary>
    public int Answers { get; private set; }

    /// <summary>A tool call begins.</summary>
    /// <returns>False when it is known already.</returns>
    public bool Began(string tool)
    {
        lock (openTools)
            return openTools.Add(tool);
    }

    /// <summary>A tool call has its result.</summary>
    /// <returns>False when it is not open.</returns>
    public bool Ended(string tool)
    {
        lock (openTools)
            return openTools.Remove(tool);
    }

    public void Used(TokenUsage answer)
    {
        Answers++;
        Usage = new TokenUsage(
            Usage.Input + answer.Input, Usage.Output + answer.Output, Usage.CacheRead + answer.CacheRead, Usage.CacheWrite + answer.CacheWrite);
    }

    public bool Complete(RunResult result) => completion.TrySetResult(result);
}
