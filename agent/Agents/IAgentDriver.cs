using Marionette.Agent.Processes;
using Marionette.Agent.Runs;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents;

/// <summary>Drives one coding agent. It emits what the agent says itself, and returns how each run ended.</summary>
internal interface IAgentDriver : IAsyncDisposable
{
    /// <summary>The agent's own id of its conversation; null before it has one.</summary>
    string? ConversationId { get; }

    /// <summary>Version of the driven agent; null until it said so.</summary>
    string? AgentVersion { get; }

    /// <summary>Whether a further run goes on in the conversation of the one before, so that it can be asked again.</summary>
    bool Converses => true;

    /// <summary>Runs one task to its end. Runs come one after another. Never throws for what the agent does.</summary>
    /// <param name="run">The task.</param>
    /// <param name="interrupted">Cancelled when the run must end: the driver asks the agent first and forces it after a while.</param>
    Task<RunResult> RunAsync(StartRun run, CancellationToken interrupted);

    /// <summary>Passes an answer on.</summary>
    /// <returns>False when no such request is open (any more).</returns>
    Task<bool> AnswerAsync(AnswerPermission answer);

    /// <summary>Gives the run under way more to work with.</summary>
    /// <returns>Null when the agent has it; otherwise why not, in a sentence.</returns>
    Task<string?> SendAsync(SendMessage message);

    /// <summary>Another model or permission mode. The setup has it already, so a process that starts later needs no telling.</summary>
    /// <returns>Null when it holds from now on; otherwise why not, in a sentence.</returns>
    Task<string?> ConfigureAsync(Configure change);

    /// <summary>Ends the agent's process: first asks, then forces.</summary>
    Task StopAsync();

    /// <summary>Ends it at once, with everything that it started.</summary>
    void Kill();
}

/// <summary>Tokens of a run.</summary>
internal readonly record struct TokenUsage(long Input, long Output, long CacheRead, long CacheWrite)
{
    public static TokenUsage operator +(TokenUsage left, TokenUsage right) => new(
        left.Input + right.Input, left.Output + right.Output, left.CacheRead + right.CacheRead, left.CacheWrite + right.CacheWrite);
}

/// <summary>How a run ended, from the driver's sight.</summary>
internal sealed record RunResult
{
    /// <summary><c>completed</c>, <c>failed</c>, <c>canceled</c> or <c>interrupted</c>.</summary>
    public required string Outcome { get; init; }

    /// <summary>What the agent gave as its answer.</summary>
    public string? Result { get; init; }

    /// <summary>A code of events.md, for failed.</summary>
    public string? ErrorCode { get; init; }

    public string? ErrorMessage { get; init; }

    /// <summary>End of the agent's process, when that is what ended the run.</summary>
    public ExitStatus? Exit { get; init; }

    public TokenUsage Usage { get; init; }

    /// <summary>US dollars of this run; null when the agent does not say.</summary>
    public double? Cost { get; init; }

    public long? Turns { get; init; }

    /// <summary>JSON in UTF-8 that meets the run's output schema; null when none was asked for or none came.</summary>
    public byte[]? StructuredOutput { get; init; }

    /// <summary>For rate_limited, overloaded and usage_limit: when the model said that it takes requests again.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Time that the model itself took; null when the agent does not say.</summary>
    public TimeSpan? ModelTime { get; init; }

    /// <summary>What became of the workspace's files.</summary>
    public WorkspaceChanges? Changes { get; init; }

    /// <summary>The same end, with what an earlier part of the same run took.</summary>
    public RunResult After(RunResult? earlier) => earlier is null ? this : this with
    {
        Usage = earlier.Usage + Usage,
        Cost = earlier.Cost is null && Cost is null ? null : (earlier.Cost ?? 0) + (Cost ?? 0),
        Turns = earlier.Turns is null && Turns is null ? null : (earlier.Turns ?? 0) + (Turns ?? 0),
        ModelTime = earlier.ModelTime is null && ModelTime is null
            ? null
            : (earlier.ModelTime ?? TimeSpan.Zero) + (ModelTime ?? TimeSpan.Zero),
    };

    public static RunResult Failed(string code, string message, ExitStatus? exit = null) =>
        new() { Outcome = Outcomes.Failed, ErrorCode = code, ErrorMessage = message, Exit = exit };
}

/// <summary>The outcomes of <c>run.finished</c>.</summary>
internal static class Outcomes
{
    public const string Completed = "completed";
    public const string Failed = "failed";
    public const string Canceled = "canceled";
    public const string TimedOut = "timed_out";
    public const string Interrupted = "interrupted";
}

/// <summary>The error codes of a run.</summary>
internal static class ErrorCodes
{
    public const string AgentNotFound = "agent_not_found";
    public const string AgentExited = "agent_exited";
    public const string AgentKilled = "agent_killed";
    public const string AgentProtocol = "agent_protocol";
    public const string AuthenticationFailed = "authentication_failed";
    public const string ModelError = "model_error";

    /// <summary>The model asked for fewer requests, and the agent's own retries came to an end.</summary>
    public const string RateLimited = "rate_limited";

    /// <summary>The model has no room at the moment, and the agent's own retries came to an end.</summary>
    public const string Overloaded = "overloaded";

    /// <summary>The account's quota is used up until a time that the model names.</summary>
    public const string UsageLimit = "usage_limit";

    /// <summary>The result does not meet the output schema, also after the agent was asked again.</summary>
    public const string OutputInvalid = "output_invalid";

    /// <summary>The session's options for its agent are not what this kind of agent takes.</summary>
    public const string OptionsInvalid = "options_invalid";

    public const string ContextExceeded = "context_exceeded";
    public const string MaxTurns = "max_turns";
    public const string BudgetExceeded = "budget_exceeded";
    public const string AgentStalled = "agent_stalled";

    /// <summary>The profile's script before the first run did not succeed.</summary>
    public const string InitFailed = "init_failed";

    public const string WorkspaceUnavailable = "workspace_unavailable";
    public const string Internal = "internal";
}
