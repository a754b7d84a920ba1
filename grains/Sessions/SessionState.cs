using System.Collections.Immutable;
using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>Why the runner was told to stop.</summary>
internal enum StopIntent
{
    None = 0,
    Suspend = 1,
}

/// <summary>
/// All that a session's decisions need: the fold of its log. Ended tasks and answered, delivered requests are not here; their rows
/// have them.
/// </summary>
internal sealed record SessionState
{
    /// <summary>Before the first event.</summary>
    public static SessionState Empty { get; } = new()
    {
        View = new SessionView { Id = "", Agent = "", WorkspaceId = "" },
    };

    public required SessionView View { get; init; }

    public int PermissionTimeoutSeconds { get; init; }

    public bool IncludeRaw { get; init; }

    /// <summary>Highest of this epoch's runner events that is in the log.</summary>
    public long Acked { get; init; }

    /// <summary>Live tasks: at most one that runs, first, then those that wait, in order.</summary>
    public ImmutableArray<LiveTask> Tasks { get; init; } = [];

    /// <summary>Requests that are open, or answered and not yet with the agent.</summary>
    public ImmutableArray<LivePermission> Permissions { get; init; } = [];

    /// <summary>Messages that are on their way into the turn.</summary>
    public ImmutableArray<LiveMessage> Messages { get; init; } = [];

    /// <summary>The newest messages, so that one that comes again is known.</summary>
    public ImmutableArray<string> RecentMessages { get; init; } = [];

    /// <summary>A change of model or permission mode that the agent has yet to confirm.</summary>
    public LiveChange? Change { get; init; }

    /// <summary>Limits of the session's and the tenant's budgets that were warned of, <c>scope:unit</c>.</summary>
    public ImmutableArray<string> Warned { get; init; } = [];

    public StopIntent Stop { get; init; }

    /// <summary>Seq of the event that asked the runner to stop; its command's number.</summary>
    public long StopSeq { get; init; }

    public DateTimeOffset? StopRequestedAt { get; init; }

    /// <summary>A task came while the session was being suspended: it resumes as soon as it is.</summary>
    public bool ResumeWhenSuspended { get; init; }

    /// <summary>Runners lost in a row without a run that ended: guards against a loop.</summary>
    public int LossesInARow { get; init; }

    /// <summary>Epoch of the newest runner that wrote in the workspace; 0 = none yet. Folders of an older one are out of date.</summary>
    public long WorkspaceEpoch { get; init; }

    /// <summary>Seq of the newest event at which a run was under way, its end included: a checkpoint behind it may have all that runs wrote; 0 = none was.</summary>
    public long RunSeq { get; init; }

    /// <summary>Where it goes on once it is suspended; null = where it is.</summary>
    public LiveMove? Move { get; init; }

    /// <summary>What was said of the end of its life; null = nothing yet.</summary>
    public LiveExpiry? Expiry { get; init; }

    /// <summary>A pause under way, in force, or at its end; null = none.</summary>
    public LivePause? Pause { get; init; }

    /// <summary>Seq of the event with which the newest paused runner went on: a checkpoint before it does not have what came after; 0 = none did.</summary>
    public long AwakeSeq { get; init; }

    public long Seq => View.LastSeq;

    public bool Exists => View.LastSeq > 0;

    public bool IsClosed => View.Status is SessionStatus.Terminated or SessionStatus.Failed;

    /// <summary>The task that a runner has.</summary>
    public LiveTask? Current => Tasks.Length > 0 && Tasks[0].RunId is not null ? Tasks[0] : null;

    /// <summary>There is a task that a runner could work on.</summary>
    public bool HasWork => Tasks.Length > 0 && Tasks[0].Hold is null;

    public LiveTask? Find(string taskId)
    {
        foreach (var task in Tasks)
            if (task.View.Id == taskId) return task;
        return null;
    }
}

/// <summary>A task that has not ended.</summary>
internal sealed record LiveTask
{
    public required TaskView View { get; init; }

    /// <summary>Run that a runner has now.</summary>
    public string? RunId { get; init; }

    /// <summary>Seq of task.dispatched; the number of the start command.</summary>
    public long DispatchSeq { get; init; }

    public bool Started { get; init; }

    /// <summary>Seq of task.cancel_requested; 0 while nobody asked.</summary>
    public long CancelSeq { get; init; }

    public string? CancelOutcome { get; init; }

    public DateTimeOffset? CancelRequestedAt { get; init; }

    /// <summary>Runs that were cut off.</summary>
    public int Interruptions { get; init; }

    /// <summary>What it waits for beside a runner; null when nothing.</summary>
    public Hold? Hold { get; init; }

    /// <summary>Times in a row that the model took no request.</summary>
    public int ModelHolds { get; init; }

    /// <summary>What the run under way has used so far, as its model answers told.</summary>
    public UsageData Live { get; init; } = UsageData.None;

    /// <summary>Units of its budget that were warned of.</summary>
    public ImmutableArray<string> Warned { get; init; } = [];
}

/// <summary>Why a task is not given to a runner.</summary>
/// <param name="Kind">"quota", "model", "budget", "failover".</param>
/// <param name="Scope">For a budget: "task", "session", "tenant".</param>
internal sealed record Hold(string Kind, string? Scope, DateTimeOffset? Until, bool Auto);

/// <summary>A message that the agent has not taken yet.</summary>
/// <param name="Seq">Of message.sent; the number of its command.</param>
internal sealed record LiveMessage(string Id, string TaskId, long Seq, string Text, TaskFileInfo[]? Files, int TimeoutSeconds);

/// <summary>A move under way.</summary>
/// <param name="Seq">Of the event that asked for it: a checkpoint behind it has everything.</param>
internal sealed record LiveMove(long Seq, string To, string By);

/// <summary>The end of a session's life, as far as it was spoken of.</summary>
/// <param name="SetAt">When it was set: warnings that would have been due before it are none.</param>
/// <param name="Warned">Seconds before the end of the last warning; <see cref="int.MaxValue"/> = none yet.</param>
/// <param name="Commands">The newest commands that moved it, so that each is done once.</param>
internal sealed record LiveExpiry(DateTimeOffset SetAt, int Warned, ImmutableArray<string> Commands)
{
    private const int Kept = 8;

    /// <summary>With one more command; null = nobody's.</summary>
    public static ImmutableArray<string> With(LiveExpiry? before, string? command)
    {
        ImmutableArray<string> known = before is { Commands.IsDefault: false } ? before.Commands : [];
        if (command is null) return known;
        return known.Length < Kept ? known.Add(command) : known.RemoveAt(0).Add(command);
    }
}

/// <summary>A change under way.</summary>
/// <param name="Seq">Of the event that asked for it; the number of its command.</param>
/// <param name="OldModel">What holds again should the agent refuse it.</param>
internal sealed record LiveChange(long Seq, string? OldModel, string OldPermissionMode);

/// <summary>A request that the agent may still wait for.</summary>
internal sealed record LivePermission
{
    public required PermissionView View { get; init; }

    /// <summary>Seq of the event that decided it; 0 while it is open.</summary>
    public long DecisionSeq { get; init; }
}

/// <summary>What a session's row holds beside its view, so that activation need not read the log from the start.</summary>
internal sealed record SessionCheckpoint(
    int PermissionTimeoutSeconds,
    bool IncludeRaw,
    long Acked,
    ImmutableArray<LiveTaskMark> Tasks,
    ImmutableArray<LivePermissionMark> Permissions,
    StopIntent Stop,
    long StopSeq,
    DateTimeOffset? StopRequestedAt,
    bool ResumeWhenSuspended,
    int LossesInARow,
    LiveMessage[]? Messages = null,
    string[]? RecentMessages = null,
    LiveChange? Change = null,
    string[]? Warned = null,
    long WorkspaceEpoch = 0,
    LiveMove? Move = null,
    LiveExpiry? Expiry = null)
{
    public LivePause? Pause { get; init; }

    public long AwakeSeq { get; init; }

    /// <summary>Null in rows that are older than this member.</summary>
    public long? RunSeq { get; init; }
}

/// <summary>What a session's row says of its files.</summary>
internal sealed record FilesRow(
    SessionStatus Status, long Epoch, long LastSeq, DateTimeOffset UpdatedAt, RecoveryPoint? RecoveryPoint, FilesRow.Mark? Checkpoint)
{
    /// <summary>Of <see cref="SessionCheckpoint"/>.</summary>
    internal sealed record Mark(long WorkspaceEpoch, long AwakeSeq, long? RunSeq);
}

/// <summary>A live task without what its own row holds. Progress is output, which writes no row: the newest stands here.</summary>
internal sealed record LiveTaskMark(
    string Id, string? RunId, long DispatchSeq, bool Started, long CancelSeq, string? CancelOutcome, DateTimeOffset? CancelRequestedAt, int Interruptions,
    Hold? Hold = null, int ModelHolds = 0, UsageData? Live = null, string[]? Warned = null,
    TaskProgress? Progress = null);

/// <summary>A live request without what its own row holds.</summary>
internal sealed record LivePermissionMark(string Id, long DecisionSeq);
