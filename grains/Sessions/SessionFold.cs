using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>One event as the fold sees it.</summary>
internal sealed record Entry(long Seq, DateTimeOffset At, string? TaskId, string? RunId, long Source, Fact Fact);

/// <summary>
/// <c>Apply(state, event) → state</c>: pure and total. An event that does not fit the state changes nothing but the position, so that a log
/// written by another version still folds.
/// </summary>
internal static class SessionFold
{
    public static SessionState Fold(SessionState state, IEnumerable<Entry> entries) => entries.Aggregate(state, Apply);

    public static SessionState Apply(SessionState state, Entry e)
    {
        state = e.Fact switch
        {
            Output => state,
            SessionCreated or SessionActivated or SessionSuspending or SessionSuspended or SessionResuming
                or SessionTerminated or SessionFailed => OfSession(state, e),
            RunnerAssigned or RunnerReleased or RunnerLost => OfRunner(state, e),
            PermissionRequested or PermissionDecided or PermissionExpired or PermissionCanceled or PermissionDelivered => OfPermission(state, e),
            RunnerConnected or RunnerDisconnected => state,
            _ => TaskFold.Apply(state, e),
        };
        var view = state.View with { LastSeq = e.Seq, LastActivityAt = e.At };
        if (e.Fact is not Output)
            view = view with
            {
                UpdatedAt = e.At,
                Phase = PhaseOf(state),
                CurrentTaskId = state.Current?.View.Id,
                QueuedTasks = state.Tasks.Length - (state.Current is null ? 0 : 1),
            };
        return state with { View = view, Acked = e.Source > 0 ? e.Source : state.Acked };
    }

    /// <summary>Many outputs at once: the hot path folds a batch in one step, with the same result as one by one.</summary>
    public static SessionState ApplyOutputs(SessionState state, long lastSeq, long lastSource, DateTimeOffset lastAt) => state with
    {
        View = state.View with { LastSeq = lastSeq, LastActivityAt = lastAt },
        Acked = lastSource > 0 ? lastSource : state.Acked,
    };

    private static SessionState OfSession(SessionState state, Entry e)
    {
        var view = state.View;
        switch (e.Fact)
        {
            case SessionCreated f:
                return state with
                {
                    PermissionTimeoutSeconds = f.PermissionTimeoutSeconds,
                    IncludeRaw = f.IncludeRaw,
                    View = view with
                    {
                        Name = f.Name, Status = SessionStatus.Pending, Agent = f.Agent, Model = f.Model, BaseUrl = f.BaseUrl,
                        IsByok = f.IsByok, EnvNames = f.EnvNames, WorkspaceId = f.WorkspaceId, ProfileId = f.ProfileId,
                        AgentConfigId = f.AgentConfigId, LifecycleMode = f.LifecycleMode, IdleTimeoutSeconds = f.IdleTimeoutSeconds,
                        NetworkPolicy = f.NetworkPolicy, AllowedHosts = f.AllowedHosts, Labels = f.Labels,
                        PermissionMode = f.PermissionMode, Command = f.Command, CreatedAt = e.At,
                    },
                };
            case SessionActivated:
                return state with
                {
                    View = view with
                    {
                        Status = SessionStatus.Active, Reason = "",
                        ResumedAt = view.Status == SessionStatus.Resuming ? e.At : view.ResumedAt,
                    },
                };
            case SessionSuspending f:
                return state with { Stop = StopIntent.Suspend, StopSeq = e.Seq, StopRequestedAt = e.At, ResumeWhenSuspended = false, View = view with { Reason = f.Reason } };
            case SessionSuspended f:
                return NoStop(state) with
                {
                    View = view with { Status = SessionStatus.Suspended, Reason = f.Reason, SuspendedAt = e.At },
                };
            case SessionResuming f:
                return NoStop(state) with { ResumeWhenSuspended = false, View = view with { Status = SessionStatus.Resuming, Reason = f.Reason } };
            case SessionTerminated f:
                return NoStop(state) with { View = view with { Status = SessionStatus.Terminated, Reason = f.Reason } };
            case SessionFailed f:
                return NoStop(state) with { View = view with { Status = SessionStatus.Failed, Reason = f.Reason } };
            default:
                return state;
        }
    }

    private static SessionState OfRunner(SessionState state, Entry e)
    {
        var view = state.View;
        switch (e.Fact)
        {
            case RunnerAssigned f:
                return state with
                {
                    Acked = 0,
                    View = view with { RunnerId = f.RunnerId, PreviousRunnerId = view.RunnerId ?? view.PreviousRunnerId, Epoch = f.Epoch },
                };
            case RunnerReleased f when f.RunnerId == view.RunnerId:
                return state with { View = view with { RunnerId = null, PreviousRunnerId = f.RunnerId } };
            case RunnerLost f when f.RunnerId == view.RunnerId:
                return state with { LossesInARow = state.LossesInARow + 1, View = view with { RunnerId = null, PreviousRunnerId = f.RunnerId } };
            default:
                return state;
        }
    }

    private static SessionState OfPermission(SessionState state, Entry e)
    {
        if (e.Fact is PermissionRequested asked)
        {
            var view = new PermissionView
            {
                Id = asked.PermissionId, OriginalRequestId = asked.RequestId, SessionId = state.View.Id, TaskId = e.TaskId ?? "",
                RunId = e.RunId ?? "", Tool = asked.Tool, Action = asked.Action, Description = asked.Description, Context = asked.Context,
                RiskLevel = asked.RiskLevel, Status = PermissionStatus.Pending, ExpiresAt = asked.ExpiresAt, CreatedAt = e.At, UpdatedAt = e.At,
            };
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.Add(new LivePermission { View = view }) }, e);
        }

        var id = e.Fact switch
        {
            PermissionDecided f => f.PermissionId,
            PermissionExpired f => f.PermissionId,
            PermissionCanceled f => f.PermissionId,
            PermissionDelivered f => f.PermissionId,
            _ => "",
        };
        var at = IndexOf(state, id);
        if (at < 0) return state;
        if (e.Fact is PermissionCanceled or PermissionDelivered)
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.RemoveAt(at) }, e);

        var decided = new LivePermission { View = PermissionAfter(state.Permissions[at].View, e), DecisionSeq = e.Seq };
        return TaskFold.WithWaiting(state with { Permissions = state.Permissions.SetItem(at, decided) }, e);
    }

    /// <summary>A request's row after an event about it; also used for rows whose request has left the live state.</summary>
    public static PermissionView PermissionAfter(PermissionView view, Entry e) => e.Fact switch
    {
        PermissionDecided f => view with
        {
            Status = f.Allow ? PermissionStatus.Approved : PermissionStatus.Denied, RespondedBy = f.By, ResponseReason = f.Reason,
            RespondedAt = e.At, UpdatedAt = e.At, UpdatedInput = f.UpdatedInput?.GetRawText(), Interrupt = f.Interrupt, DecidedByCommand = f.CommandId,
        },
        PermissionExpired f => view with { Status = PermissionStatus.Expired, ResponseReason = f.Reason, RespondedAt = e.At, UpdatedAt = e.At },
        PermissionCanceled f when view.Status == PermissionStatus.Pending =>
            view with { Status = PermissionStatus.Canceled, ResponseReason = f.Reason, RespondedAt = e.At, UpdatedAt = e.At },
        PermissionDelivered => view with { DeliveredAt = e.At, UpdatedAt = e.At },
        _ => view,
    };

    private static int IndexOf(SessionState state, string permissionId)
    {
        for (var i = 0; i < state.Permissions.Length; i++)
            if (state.Permissions[i].View.Id == permissionId) return i;
        return -1;
    }

    private static SessionState NoStop(SessionState state) => state with { Stop = StopIntent.None, StopSeq = 0, StopRequestedAt = null };

    private static string PhaseOf(SessionState state) => state.View.Status switch
    {
        SessionStatus.Terminated or SessionStatus.Failed => "ended",
        SessionStatus.Suspended => "suspended",
        _ when state.Stop == StopIntent.Suspend => "suspending",
        SessionStatus.Pending or SessionStatus.Resuming => state.View.RunnerId is null ? "idle" : "provisioning",
        _ when state.Current is null => "idle",
        _ => state.Current.View.Status == TaskState.WaitingPermission ? "waiting_permission" : "running",
    };
}
