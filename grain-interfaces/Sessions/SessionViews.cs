using System.Collections.Immutable;
using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>
/// What a session shows, and the JSON that stands in its state row: lists are read from there, single reads from the grain.
/// Times are UTC.
/// </summary>
[GenerateSerializer, Immutable, Alias("mn.session.view.v1")]
public sealed record SessionView
{
    /// <summary>"sess_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string? Name { get; init; }
    /// <summary>State.</summary>
    [Id(2)] public SessionStatus Status { get; init; }
    /// <summary>What it does within the state: "idle", "provisioning", "running", "waiting_permission", "suspending", "terminating".</summary>
    [Id(3)] public string Phase { get; init; } = "";
    /// <summary>Why it is in this state, in a sentence; empty when there is nothing to say.</summary>
    [Id(4)] public string Reason { get; init; } = "";
    /// <summary>Agent kind.</summary>
    [Id(5)] public required string Agent { get; init; }
    /// <summary>Version that the agent last reported.</summary>
    [Id(6)] public string? AgentVersion { get; init; }
    /// <summary>Named configuration, if any.</summary>
    [Id(7)] public string? AgentConfigId { get; init; }
    /// <summary>Model asked for.</summary>
    [Id(8)] public string? Model { get; init; }
    /// <summary>Model API address asked for.</summary>
    [Id(9)] public string? BaseUrl { get; init; }
    /// <summary>The session brought its own model key.</summary>
    [Id(10)] public bool IsByok { get; init; }
    /// <summary>Names of the session's environment variables; their values are sealed.</summary>
    [Id(11)] public ImmutableArray<string> EnvNames { get; init; } = [];
    /// <summary>Runner now assigned; a suspended session has one while it is paused.</summary>
    [Id(12)] public string? RunnerId { get; init; }
    /// <summary>Runner before this one.</summary>
    [Id(13)] public string? PreviousRunnerId { get; init; }
    /// <summary>Number of runners assigned so far; the fence.</summary>
    [Id(14)] public long Epoch { get; init; }
    /// <summary>"ws_…".</summary>
    [Id(15)] public required string WorkspaceId { get; init; }
    /// <summary>Profile, if any.</summary>
    [Id(16)] public string? ProfileId { get; init; }
    /// <summary>"open", "allow_list", "deny". Enforced by providers that can; see the provider's page.</summary>
    [Id(17)] public string NetworkPolicy { get; init; } = "open";
    /// <summary>With "allow_list".</summary>
    [Id(18)] public ImmutableArray<string> AllowedHosts { get; init; } = [];
    /// <summary>"on_demand" or "persistent".</summary>
    [Id(19)] public string LifecycleMode { get; init; } = "on_demand";
    /// <summary>Suspend after so long without a task; null = never.</summary>
    [Id(20)] public int? IdleTimeoutSeconds { get; init; }
    /// <summary>Permission mode of the agent.</summary>
    [Id(21)] public string PermissionMode { get; init; } = "default";
    /// <summary>The user's labels.</summary>
    [Id(22)] public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>The agent's own conversation id, once known.</summary>
    [Id(23)] public string? ConversationId { get; init; }
    /// <summary>Newest event's seq.</summary>
    [Id(24)] public long LastSeq { get; init; }
    /// <summary>Task that runs now.</summary>
    [Id(25)] public string? CurrentTaskId { get; init; }
    /// <summary>Tasks that wait.</summary>
    [Id(26)] public int QueuedTasks { get; init; }
    /// <summary>Sum over all runs.</summary>
    [Id(27)] public Usage Usage { get; init; } = Usage.None;
    /// <summary>When it was made.</summary>
    [Id(28)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(29)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Last task, answer or output that changed its state.</summary>
    [Id(30)] public DateTimeOffset? LastActivityAt { get; init; }
    /// <summary>Last suspension.</summary>
    [Id(31)] public DateTimeOffset? SuspendedAt { get; init; }
    /// <summary>Last resumption.</summary>
    [Id(32)] public DateTimeOffset? ResumedAt { get; init; }
    /// <summary>argv of the program that the "command" and "acp" agents start.</summary>
    [Id(33)] public ImmutableArray<string> Command { get; init; } = [];
    /// <summary>Names of the options given to the agent kind; their values are sealed.</summary>
    [Id(34)] public ImmutableArray<string> OptionNames { get; init; } = [];
    /// <summary>For all of its tasks together.</summary>
    [Id(35)] public Budget? Budget { get; init; }
    /// <summary>Tasks that wait for quota go on by themselves.</summary>
    [Id(36)] public bool AutoContinue { get; init; }
    /// <summary>Model, permission mode: a change that the agent has not confirmed yet.</summary>
    [Id(37)] public bool IsChanging { get; init; }
    /// <summary>Backend that makes its runners; null = the installation's default.</summary>
    [Id(38)] public string? Provider { get; init; }
    /// <summary>Newest checkpoint; null = none yet.</summary>
    [Id(39)] public RecoveryPoint? RecoveryPoint { get; init; }
    /// <summary>What its workspace began with; null = nothing.</summary>
    [Id(40)] public SessionOrigin? Origin { get; init; }
    /// <summary>When its life ends; null = when somebody ends it.</summary>
    [Id(45)] public DateTimeOffset? ExpiresAt { get; init; }
    /// <summary>One of <see cref="Failover"/>.</summary>
    [Id(46)] public string FailoverPolicy { get => field ?? Failover.AtOnce; init; }
    /// <summary>An unanswered permission request is denied after this; 0 = the session is older than this member.</summary>
    [Id(47)] public int PermissionTimeoutSeconds { get; init; }
    /// <summary>How its permission requests are asked, where no rule says otherwise.</summary>
    [Id(60)] public PermissionTerms? PermissionPolicy { get; init; }
    /// <summary>Rules of its own: given at its creation, and "always allow this" with the scope session or task.</summary>
    [Id(61)] public ImmutableArray<PolicyRule> PermissionRules { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>How it is suspended where nobody says: one of <see cref="SuspendStrategies"/>.</summary>
    [Id(70)] public string SuspendStrategy { get => field ?? SuspendStrategies.Release; init; } = SuspendStrategies.Release;
    /// <summary>Since when its runner is paused; null = it has none, or one that works.</summary>
    [Id(71)] public DateTimeOffset? PausedAt { get; init; }
}

/// <summary>What a session goes on from when its runner is lost, or another one takes over.</summary>
/// <param name="At">When it was made.</param>
/// <param name="Seq">Its event in the session's log. Runs that ended before it are in it; of one that was under way, what it had written by then.</param>
/// <param name="Workspace">Snapshot of the workspace, "snap_…".</param>
/// <param name="Home">Snapshot of the agent's home, with its conversations; "" = it began with a workspace alone.</param>
/// <param name="Reason">"run", "interval", "stop", "pause"; "origin": what it began with; "restore": it was taken back to a checkpoint.</param>
/// <param name="Files">In both.</param>
/// <param name="Bytes">Sum of the files' sizes.</param>
[GenerateSerializer, Immutable, Alias("mn.session.recovery_point.v1")]
public sealed record RecoveryPoint(
    [property: Id(0)] DateTimeOffset At,
    [property: Id(1)] long Seq,
    [property: Id(2)] string Workspace,
    [property: Id(3)] string Home,
    [property: Id(4)] string Reason,
    [property: Id(5)] long Files,
    [property: Id(6)] long Bytes)
{
    /// <summary>The agent's conversation at that point, or null.</summary>
    [Id(7)] public string? ConversationId { get; init; }

    /// <summary>Epoch of the runner that made it; of a checkpoint that it was taken back to, the epoch that begins with it.</summary>
    [Id(8)] public long Epoch { get; init; }

    /// <summary>No run was under way from its beginning to its end: all that earlier ones wrote is in it.</summary>
    [Id(9)] public bool IsQuiet { get; init; }

    /// <summary>Nothing was left out of it that could not be read as it stood; false = not known.</summary>
    [Id(10)] public bool IsComplete { get; init; }
}
