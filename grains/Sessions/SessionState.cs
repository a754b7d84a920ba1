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

    public StopIntent Stop { get; init; }

    /// <summary>Seq of the event that asked the runner to stop; its command's number.</summary>
    public long StopSeq { get; init; }

    public DateTimeOffset? StopRequestedAt { get; init; }

    /// <summary>A task came while the session was being suspended: it resumes as soon as it is.</summary>
    public bool ResumeWhenSuspended { get; init; }

    /// <summary>Runners lost in a row without a run that ended: guards against a loop.</summary>
    public int LossesInARow { get; init; }

    public long Seq => View.LastSeq;

    public bool Exists => View.LastSeq > 0;

    public bool IsClosed => View.Status is SessionStatus.Terminated or SessionStatus.Failed;

    /// <summary>The task that a runner has.</summary>
    public LiveTask? Current => Tasks.Length > 0 && Tasks[0].RunId is not null ? Tasks[0] : null;

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
}

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
    int LossesInARow);

/// <summary>A live task without what its own row holds.</summary>
internal sealed record LiveTaskMark(
    string Id, string? RunId, long DispatchSeq, bool Started, long CancelSeq, string? CancelOutcome, DateTimeOffset? CancelRequestedAt, int Interruptions);

/// <summary>A live request without what its own row holds.</summary>
internal sealed record LivePermissionMark(string Id, long DecisionSeq);
