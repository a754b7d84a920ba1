using System.Collections.Immutable;

namespace Marionette.Tasks;

/// <summary>State of a task.</summary>
public enum TaskState
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Waits for its turn or for a runner.</summary>
    Queued = 1,
    /// <summary>A runner has it.</summary>
    Running = 2,
    /// <summary>The agent waits for an answer.</summary>
    WaitingPermission = 3,
    /// <summary>Ended with a result. Final unless retried.</summary>
    Completed = 4,
    /// <summary>Ended with an error. Final unless retried.</summary>
    Failed = 5,
    /// <summary>Ended on request. Final unless retried.</summary>
    Canceled = 6,
    /// <summary>A run took longer than allowed. Final unless retried.</summary>
    TimedOut = 7,
    /// <summary>The account's quota is used up; it goes on at <see cref="TaskView.ResumesAt"/> if the session continues by itself, or when told.</summary>
    WaitingForQuota = 8,
    /// <summary>The model takes no requests now (rate limit, overload); it goes on by itself at <see cref="TaskView.ResumesAt"/>.</summary>
    WaitingForModel = 9,
    /// <summary>A budget is used up; it goes on when somebody allows more.</summary>
    WaitingForBudget = 10,
    /// <summary>Its run was cut off, and its session asks before it goes on; see <see cref="Sessions.Failover.Ask"/>.</summary>
    WaitingForFailover = 11,
}

/// <summary>State of one run of a task.</summary>
public enum RunStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>Handed to a runner that has not said yet that it began.</summary>
    Assigned = 1,
    /// <summary>The agent works.</summary>
    Running = 2,
    /// <summary>Ended with a result.</summary>
    Completed = 3,
    /// <summary>Ended with an error.</summary>
    Failed = 4,
    /// <summary>Ended on request.</summary>
    Canceled = 5,
    /// <summary>Took too long.</summary>
    TimedOut = 6,
    /// <summary>Cut off by a suspend or a lost runner; another run follows.</summary>
    Interrupted = 7,
}

/// <summary>Tokens, money and time. Money is what the agent reports, in US dollars.</summary>
[GenerateSerializer, Immutable, Alias("mn.task.usage.v1")]
public sealed record Usage(
    [property: Id(0)] long InputTokens,
    [property: Id(1)] long OutputTokens,
    [property: Id(2)] long CacheReadTokens,
    [property: Id(3)] long CacheWriteTokens,
    [property: Id(4)] decimal CostUsd)
{
    /// <summary>Model turns.</summary>
    [Id(5)] public int Turns { get; init; }

    /// <summary>Wall time of the runs, in milliseconds.</summary>
    [Id(6)] public long WallMs { get; init; }

    /// <summary>Of it, time that the model took, where the agent says so, in milliseconds.</summary>
    [Id(7)] public long ModelMs { get; init; }

    /// <summary>All tokens, those read from a cache too.</summary>
    [System.Text.Json.Serialization.JsonIgnore] public long Tokens => InputTokens + OutputTokens + CacheReadTokens + CacheWriteTokens;

    /// <summary>Nothing used.</summary>
    public static Usage None { get; } = new(0, 0, 0, 0, 0);

    /// <summary>Both together.</summary>
    public static Usage operator +(Usage a, Usage b) => new(
        a.InputTokens + b.InputTokens, a.OutputTokens + b.OutputTokens,
        a.CacheReadTokens + b.CacheReadTokens, a.CacheWriteTokens + b.CacheWriteTokens, a.CostUsd + b.CostUsd)
    {
        Turns = a.Turns + b.Turns, WallMs = a.WallMs + b.WallMs, ModelMs = a.ModelMs + b.ModelMs,
    };
}

/// <summary>Why a run failed: a code of docs/reference/events.md and a sentence.</summary>
[GenerateSerializer, Immutable, Alias("mn.task.error.v1")]
public sealed record RunError([property: Id(0)] string Code, [property: Id(1)] string Message);

/// <summary>One attempt at a task.</summary>
[GenerateSerializer, Immutable, Alias("mn.task.run.v1")]
public sealed record RunView
{
    /// <summary>"trun_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Its task.</summary>
    [Id(1)] public required string TaskId { get; init; }
    /// <summary>From 1.</summary>
    [Id(2)] public int Attempt { get; init; }
    /// <summary>Runner that has or had it.</summary>
    [Id(3)] public string? RunnerId { get; init; }
    /// <summary>State.</summary>
    [Id(4)] public RunStatus Status { get; init; }
    /// <summary>Error, if it failed.</summary>
    [Id(5)] public RunError? Error { get; init; }
    /// <summary>Exit code of the agent's process, where it ended.</summary>
    [Id(6)] public int? ExitCode { get; init; }
    /// <summary>Signal that ended the agent's process ("SIGKILL").</summary>
    [Id(7)] public string? Signal { get; init; }
    /// <summary>What it used.</summary>
    [Id(8)] public Usage Usage { get; init; } = Usage.None;
    /// <summary>Model turns.</summary>
    [Id(9)] public int? Turns { get; init; }
    /// <summary>Wall time the agent reports, in milliseconds.</summary>
    [Id(10)] public long? DurationMs { get; init; }
    /// <summary>When it was queued.</summary>
    [Id(11)] public DateTimeOffset QueuedAt { get; init; }
    /// <summary>When a runner was given it.</summary>
    [Id(12)] public DateTimeOffset? AssignedAt { get; init; }
    /// <summary>When the agent began.</summary>
    [Id(13)] public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When it ended.</summary>
    [Id(14)] public DateTimeOffset? EndedAt { get; init; }
}

/// <summary>A prompt in a session, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.task.view.v1")]
public sealed record TaskView
{
    /// <summary>"task_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Its session.</summary>
    [Id(1)] public required string SessionId { get; init; }
    /// <summary>What was asked.</summary>
    [Id(2)] public required string Prompt { get; init; }
    /// <summary>State.</summary>
    [Id(3)] public TaskState Status { get; init; }
    /// <summary>Why, in a sentence; empty when there is nothing to say.</summary>
    [Id(4)] public string Reason { get; init; } = "";
    /// <summary>New runs allowed after a failure.</summary>
    [Id(5)] public int MaxRetries { get; init; }
    /// <summary>New runs made after a failure.</summary>
    [Id(6)] public int RetryCount { get; init; }
    /// <summary>Limit of each run, in seconds.</summary>
    [Id(7)] public int TimeoutSeconds { get; init; }
    /// <summary>Task whose conversation it continues.</summary>
    [Id(8)] public string? ContinueFrom { get; init; }
    /// <summary>The user's labels.</summary>
    [Id(9)] public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>The agent's closing text.</summary>
    [Id(10)] public string? Result { get; init; }
    /// <summary>Error of the last run, if it failed.</summary>
    [Id(11)] public RunError? Error { get; init; }
    /// <summary>Sum over its runs.</summary>
    [Id(12)] public Usage Usage { get; init; } = Usage.None;
    /// <summary>All runs, oldest first; at most 32 are kept.</summary>
    [Id(13)] public ImmutableArray<RunView> Runs { get; init; } = [];
    /// <summary>When it was made.</summary>
    [Id(14)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(15)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>When its last run began.</summary>
    [Id(16)] public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When it ended.</summary>
    [Id(17)] public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Seq of its first event: where a reader of its log begins.</summary>
    [Id(18)] public long FirstSeq { get; init; }
    /// <summary>Seq of its final event; null while it lives.</summary>
    [Id(19)] public long? LastSeq { get; init; }

    /// <summary>Command that last asked for a new run, so that its repeat is known.</summary>
    [Id(20)] public string? RetriedByCommand { get; init; }

    /// <summary>Conversation that it works or worked in: the agent's own id.</summary>
    [Id(21)] public string? ConversationId { get; init; }
    /// <summary>Conversation that it was told to work in: "new", an id of the agent's; null = the session's newest.</summary>
    [Id(22)] public string? Conversation { get; init; }
    /// <summary>The result as JSON that meets <see cref="OutputSchema"/>.</summary>
    [Id(23)] public string? StructuredOutput { get; init; }
    /// <summary>JSON Schema of the result; null = free text.</summary>
    [Id(24)] public string? OutputSchema { get; init; }
    /// <summary>Files of the workspace that its last run changed.</summary>
    [Id(25)] public ImmutableArray<FileChange> FilesChanged { get; init; } = [];
    /// <summary>What the agent last said of its progress.</summary>
    [Id(26)] public TaskProgress? Progress { get; init; }
    /// <summary>When it goes on by itself, or could go on, while it waits for quota or the model.</summary>
    [Id(27)] public DateTimeOffset? ResumesAt { get; init; }
    /// <summary>Its own budget.</summary>
    [Id(28)] public Budget? Budget { get; init; }
    /// <summary>Files that came with the prompt.</summary>
    [Id(29)] public ImmutableArray<TaskFileInfo> Files { get; init; } = [];

    /// <summary>It has ended.</summary>
    [System.Text.Json.Serialization.JsonIgnore] public bool IsFinal => Status is >= TaskState.Completed and <= TaskState.TimedOut;

    /// <summary>It waits for something that is neither a runner nor an answer.</summary>
    [System.Text.Json.Serialization.JsonIgnore] public bool IsHeld => Status is >= TaskState.WaitingForQuota and <= TaskState.WaitingForFailover;
}
