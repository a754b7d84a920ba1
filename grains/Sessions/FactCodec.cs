using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Marionette.Json;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>Facts to stored events and back. A type that is not in the table is output of the agent.</summary>
internal static class FactCodec
{
    private sealed record Entry(string Type, Func<Fact, byte[]> Write, Func<byte[], Fact> Read);

    private static readonly GrainsJsonContext Json = GrainsJsonContext.Default;

    private static readonly Dictionary<Type, Entry> ByFact = [];
    private static readonly Dictionary<string, Entry> ByType = new(StringComparer.Ordinal);

    static FactCodec()
    {
        Add("session.created", Json.SessionCreated);
        Add("session.activated", Json.SessionActivated);
        Add("session.suspending", Json.SessionSuspending);
        Add("session.moved", Json.SessionMoved);
        Add("session.restored", Json.SessionRestored);
        Add("session.expiring", Json.SessionExpiring);
        Add("session.extended", Json.SessionExtended);
        Add("session.suspended", Json.SessionSuspended);
        Add("session.resuming", Json.SessionResuming);
        Add("session.terminated", Json.SessionTerminated);
        Add("session.failed", Json.SessionFailed);
        Add("runner.assigned", Json.RunnerAssigned);
        Add("runner.connected", Json.RunnerConnected);
        Add("runner.disconnected", Json.RunnerDisconnected);
        Add("runner.released", Json.RunnerReleased);
        Add("runner.lost", Json.RunnerLost);
        Add("runner.progress", Json.RunnerProgress);
        Add("runner.pausing", Json.RunnerPausing);
        Add("runner.paused", Json.RunnerPaused);
        Add("runner.pause_failed", Json.RunnerPauseFailed);
        Add("runner.unpausing", Json.RunnerUnpausing);
        Add("runner.throttled", Json.RunnerThrottled);
        Add("runner.unthrottled", Json.RunnerUnthrottled);
        Add("network.blocked", Json.NetworkBlocked);
        Add("network.changed", Json.NetworkChanged);
        Add("workspace.ready", Json.WorkspaceReady);
        Add("checkpoint.created", Json.CheckpointCreated);
        Add("task.created", Json.TaskCreated);
        Add("task.dispatched", Json.TaskDispatched);
        Add("task.started", Json.TaskStarted);
        Add("task.interrupted", Json.TaskInterrupted);
        Add("task.cancel_requested", Json.TaskCancelRequested);
        Add("task.retried", Json.TaskRetried);
        Add("permission.requested", Json.PermissionRequested);
        Add("permission.approval", Json.PermissionApprovalAdded);
        Add("permission.escalated", Json.PermissionEscalated);
        Add("permission.delegated", Json.PermissionDelegated);
        Add("permission.expired", Json.PermissionExpired);
        Add("permission.canceled", Json.PermissionCanceled);
        Add("permission.delivered", Json.PermissionDelivered);
        Add("session.changed", Json.SessionChanged);
        Add("session.configured", Json.SessionConfigured);
        Add("session.configure_refused", Json.SessionConfigureRefused);
        Add("task.moved", Json.TaskMoved);
        Add("task.held", Json.TaskHeld);
        Add("task.released", Json.TaskReleased);
        Add("message.sent", Json.MessageSent);
        Add("message.delivered", Json.MessageDelivered);
        Add("message.refused", Json.MessageRefused);
        Add("message.queued", Json.MessageQueued);
        Add("budget.warning", Json.BudgetWarning);
        Add("budget.exceeded", Json.BudgetExceeded);
        Add("budget.changed", Json.BudgetChanged);
        Add("task.completed", Json.TaskEnded, f => f with { Outcome = TaskState.Completed });
        Add("task.failed", Json.TaskEnded, f => f with { Outcome = TaskState.Failed });
        Add("task.canceled", Json.TaskEnded, f => f with { Outcome = TaskState.Canceled });
        Add("task.timed_out", Json.TaskEnded, f => f with { Outcome = TaskState.TimedOut });
        Add("permission.approved", Json.PermissionDecided, f => f with { Allow = true });
        Add("permission.denied", Json.PermissionDecided, f => f with { Allow = false });
    }

    /// <summary>Types that the session itself writes: the ones that the tenant's stream carries, and that no runner may forge.</summary>
    public static IReadOnlyCollection<string> LifecycleTypes => ByType.Keys;

    public static bool IsLifecycle(string type) => ByType.ContainsKey(type);

    public static string TypeOf(Fact fact) => fact switch
    {
        Output output => output.Type,
        TaskEnded { Outcome: TaskState.Completed } => "task.completed",
        TaskEnded { Outcome: TaskState.Failed } => "task.failed",
        TaskEnded { Outcome: TaskState.Canceled } => "task.canceled",
        TaskEnded { Outcome: TaskState.TimedOut } => "task.timed_out",
        PermissionDecided { Allow: true } => "permission.approved",
        PermissionDecided => "permission.denied",
        _ => ByFact[fact.GetType()].Type,
    };

    public static byte[] Write(Fact fact) => fact is Output output ? output.Payload : ByFact[fact.GetType()].Write(fact);

    public static Fact Read(string type, byte[] payload) =>
        ByType.TryGetValue(type, out var entry) ? entry.Read(payload) : new Output(type, payload);

    private static void Add<T>(string type, JsonTypeInfo<T> json, Func<T, T>? complete = null) where T : Fact
    {
        var entry = new Entry(
            type,
            fact => JsonSerializer.SerializeToUtf8Bytes((T)fact, json),
            payload =>
            {
                var fact = JsonSerializer.Deserialize(payload, json) ?? throw new JsonException($"The payload of {type} is null.");
                return complete is null ? fact : complete(fact);
            });
        ByType.Add(type, entry);
        ByFact[typeof(T)] = entry;
    }
}
