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
        var hadRun = state.Current is not null;
        state = e.Fact switch
        {
            Output { Type: "usage" or "progress" } => TaskFold.Apply(state, e),
            Output => state,
            SessionCreated or SessionActivated or SessionSuspending or SessionMoved or SessionRestored or SessionExpiring or SessionExtended
                or SessionSuspended or SessionResuming or SessionTerminated or SessionFailed => PauseFold.After(OfSession(state, e), e),
            RunnerAssigned or RunnerReleased or RunnerLost => PauseFold.After(OfRunner(state, e), e),
            RunnerPausing or RunnerPaused or RunnerPauseFailed or RunnerUnpausing => PauseFold.Apply(state, e),
            _ when PermissionFold.Concerns(e.Fact) => PermissionFold.Apply(state, e),
            RunnerConnected or RunnerDisconnected or RunnerProgress or RunnerThrottled or RunnerUnthrottled or NetworkBlocked or BudgetExceeded => state,
            WorkspaceReady f => Opened(state, f),
            CheckpointCreated f => state with { View = state.View with { RecoveryPoint = PointOf(e, f) } },
            NetworkChanged f => state with { View = state.View with { NetworkPolicy = f.NetworkPolicy, AllowedHosts = f.AllowedHosts } },
            MessageSent or MessageDelivered or MessageRefused or MessageQueued or SessionChanged or SessionConfigured or SessionConfigureRefused
                or BudgetChanged or BudgetWarning => MessageFold.Apply(state, e),
            _ => TaskFold.Apply(state, e),
        };
        var view = state.View with { LastSeq = e.Seq, LastActivityAt = e.At };
        var acked = e.Source > 0 ? e.Source : state.Acked;
        if (e.Fact is Output) return state with { View = view, Acked = acked };
        view = view with
        {
            UpdatedAt = e.At,
            Phase = PhaseOf(state),
            CurrentTaskId = state.Current?.View.Id,
            QueuedTasks = state.Tasks.Length - (state.Current is null ? 0 : 1),
        };
        return state with { View = view, Acked = acked, RunSeq = hadRun || state.Current is not null ? e.Seq : state.RunSeq };
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
                    Expiry = f.TtlSeconds is null ? null : new LiveExpiry(e.At, int.MaxValue, []),
                    View = view with
                    {
                        Name = f.Name, Status = SessionStatus.Pending, Agent = f.Agent, Model = f.Model, BaseUrl = f.BaseUrl,
                        IsByok = f.IsByok, EnvNames = f.EnvNames, WorkspaceId = f.WorkspaceId, ProfileId = f.ProfileId,
                        AgentConfigId = f.AgentConfigId, LifecycleMode = f.LifecycleMode, IdleTimeoutSeconds = f.IdleTimeoutSeconds,
                        NetworkPolicy = f.NetworkPolicy, AllowedHosts = f.AllowedHosts, Labels = f.Labels,
                        PermissionMode = f.PermissionMode, Command = f.Command, OptionNames = [.. f.OptionNames ?? []], Budget = f.Budget,
                        AutoContinue = f.AutoContinue, CreatedAt = e.At,
                        PermissionPolicy = f.PermissionPolicy, PermissionRules = f.PermissionRules ?? [], Provider = f.Provider,
                        SuspendStrategy = f.SuspendStrategy ?? SuspendStrategies.Release,
                        Origin = f.Origin, ConversationId = f.Origin?.ConversationId, RecoveryPoint = PointOf(e, f.Origin),
                        ExpiresAt = f.TtlSeconds is { } ttl ? e.At.AddSeconds(ttl) : null, FailoverPolicy = f.FailoverPolicy ?? Failover.AtOnce,
                        PermissionTimeoutSeconds = f.PermissionTimeoutSeconds,
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
                return state with
                {
                    Stop = StopIntent.Suspend, StopSeq = e.Seq, StopRequestedAt = e.At, ResumeWhenSuspended = f.MoveTo is not null,
                    Move = f.MoveTo is { } to ? new LiveMove(e.Seq, to, f.By ?? "") : null, View = view with { Reason = f.Reason },
                };
            case SessionMoved f:
                return state with { Move = null, View = f.Stays is null ? view with { Provider = f.To } : view };
            case SessionRestored f:
                // The next epoch begins with it: what an older runner left in folders is out of date from here on.
                return state with
                {
                    WorkspaceEpoch = view.Epoch + 1,
                    View = view with
                    {
                        ConversationId = f.ConversationId,
                        RecoveryPoint = new RecoveryPoint(e.At, f.Seq, f.Workspace, f.Home, "restore", f.Files, f.Bytes)
                        {
                            ConversationId = f.ConversationId, Epoch = view.Epoch + 1,
                        },
                    },
                };
            case SessionExpiring f:
                return state.Expiry is { } told ? state with { Expiry = told with { Warned = f.Left } } : state;
            case SessionExtended f:
                return state with
                {
                    // It was on its way to its end: what waits in it goes on after all.
                    ResumeWhenSuspended = state.ResumeWhenSuspended || state.Stop == StopIntent.Suspend && view.ExpiresAt <= e.At,
                    Expiry = new LiveExpiry(e.At, int.MaxValue, LiveExpiry.With(state.Expiry, f.CommandId)), View = view with { ExpiresAt = f.ExpiresAt },
                };
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

    private static RecoveryPoint PointOf(Entry e, CheckpointCreated f) => new(e.At, e.Seq, f.Workspace, f.Home, f.Reason, f.Files, f.Bytes)
    {
        ConversationId = f.ConversationId, Epoch = f.Epoch, IsQuiet = f.Quiet, IsComplete = f.Complete,
    };

    private static RecoveryPoint? PointOf(Entry e, SessionOrigin? origin) => origin is null or { Workspace: "" }
        ? null
        : new RecoveryPoint(e.At, e.Seq, origin.Workspace, origin.Home ?? "", "origin", origin.Files, origin.Bytes) { ConversationId = origin.ConversationId };

    /// <summary>The conversation is the one that the agent's home holds now.</summary>
    private static SessionState Opened(SessionState state, WorkspaceReady f) => state with
    {
        WorkspaceEpoch = f.Epoch,
        View = f.Source switch
        {
            "restored" => state.View with { ConversationId = state.View.RecoveryPoint?.ConversationId },
            "lost" => state.View with { ConversationId = null },
            _ => state.View,
        },
    };

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
                // One that stood still did not fail at its work.
                return state with { LossesInARow = state.LossesInARow + (state.Pause is { Step: PauseStep.Paused } ? 0 : 1), View = view with { RunnerId = null, PreviousRunnerId = f.RunnerId } };
            default:
                return state;
        }
    }

    private static SessionState NoStop(SessionState state) => state with { Stop = StopIntent.None, StopSeq = 0, StopRequestedAt = null };

    private static string PhaseOf(SessionState state) => state.View.Status switch
    {
        SessionStatus.Terminated or SessionStatus.Failed => "ended",
        SessionStatus.Suspended => state.View.RunnerId is null ? "suspended" : "paused",
        _ when state.Stop == StopIntent.Suspend => "suspending",
        SessionStatus.Pending or SessionStatus.Resuming => state.View.RunnerId is null ? "idle" : "provisioning",
        _ when state.Current is null => state.Tasks is [{ Hold: { } hold }, ..] ? $"waiting_for_{hold.Kind}" : "idle",
        _ => state.Current.View.Status == TaskState.WaitingPermission ? "waiting_permission" : "running",
    };
}
