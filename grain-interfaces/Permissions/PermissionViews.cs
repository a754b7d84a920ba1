using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>State of a permission request. It leaves <see cref="Pending"/> once.</summary>
public enum PermissionStatus
{
    /// <summary>Unknown to this version.</summary>
    Unknown = 0,
    /// <summary>The agent waits.</summary>
    Pending = 1,
    /// <summary>Allowed, perhaps with another input.</summary>
    Approved = 2,
    /// <summary>Refused by somebody.</summary>
    Denied = 3,
    /// <summary>Nobody answered in time: refused.</summary>
    Expired = 4,
    /// <summary>The agent asks no more (turn interrupted, task or session ended, runner lost).</summary>
    Canceled = 5,
}

/// <summary>A question of an agent, or of the session about a budget, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.permission.view.v1")]
public sealed record PermissionView
{
    /// <summary>"perm_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>The id that the agent gave it.</summary>
    [Id(1)] public required string OriginalRequestId { get; init; }
    /// <summary>Category of the question whether a run that was cut off goes on.</summary>
    public const string FailoverCategory = "failover";

    /// <summary>The session itself asks, about a budget or a failover: no agent waits for the answer, and no rule gives it.</summary>
    [System.Text.Json.Serialization.JsonIgnore] public bool BySession => Budget is not null || Category == FailoverCategory;

    /// <summary>Its session.</summary>
    [Id(2)] public required string SessionId { get; init; }
    /// <summary>Its task.</summary>
    [Id(3)] public required string TaskId { get; init; }
    /// <summary>Its run.</summary>
    [Id(4)] public required string RunId { get; init; }
    /// <summary>Tool's name as the agent says it.</summary>
    [Id(5)] public required string Tool { get; init; }
    /// <summary>The tool's input as JSON text.</summary>
    [Id(6)] public required string Action { get; init; }
    /// <summary>What it is for, in the agent's words.</summary>
    [Id(7)] public string? Description { get; init; }
    /// <summary>Where: the working directory or path concerned.</summary>
    [Id(8)] public string? Context { get; init; }
    /// <summary>"low", "medium", "high", "critical": by what is asked.</summary>
    [Id(9)] public string RiskLevel { get; init; } = "medium";
    /// <summary>State.</summary>
    [Id(10)] public PermissionStatus Status { get; init; }
    /// <summary>Who answered.</summary>
    [Id(11)] public string? RespondedBy { get; init; }
    /// <summary>Why.</summary>
    [Id(12)] public string? ResponseReason { get; init; }
    /// <summary>When.</summary>
    [Id(13)] public DateTimeOffset? RespondedAt { get; init; }
    /// <summary>Input that replaced the asked one, as JSON text.</summary>
    [Id(14)] public string? UpdatedInput { get; init; }
    /// <summary>When the agent had the answer.</summary>
    [Id(15)] public DateTimeOffset? DeliveredAt { get; init; }
    /// <summary>Denied by itself at this time; <see cref="Never"/> = it waits for as long as it takes.</summary>
    [Id(16)] public DateTimeOffset ExpiresAt { get; init; }
    /// <summary>When it was asked.</summary>
    [Id(17)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(18)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Id of the command that decided it.</summary>
    [Id(19)] public string? DecidedByCommand { get; init; }
    /// <summary>With a denial: the turn ends as well.</summary>
    [Id(20)] public bool Interrupt { get; init; }
    /// <summary>What kind of act it is: "command", "read", "edit", …; null in rows of older versions.</summary>
    [Id(21)] public string? Category { get; init; }
    /// <summary>The question in a few words.</summary>
    [Id(22)] public string? Title { get; init; }
    /// <summary>The shell command, perhaps cut.</summary>
    [Id(23)] public string? Command { get; init; }
    /// <summary>Files and folders that it would touch.</summary>
    [Id(24)] public ImmutableArray<string> Paths { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Hosts that it would talk to.</summary>
    [Id(25)] public ImmutableArray<string> Hosts { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>For an edit: the change as a unified diff, perhaps cut.</summary>
    [Id(26)] public string? Diff { get; init; }
    /// <summary>Why the agent asks rather than acts, in its words.</summary>
    [Id(27)] public string? Why { get; init; }
    /// <summary>Whether an answer may carry another input; null in rows of older versions, which take one.</summary>
    [Id(28)] public bool? TakesInput { get; init; }
    /// <summary>What makes the risk what it is.</summary>
    [Id(29)] public ImmutableArray<string> RiskReasons { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>The rule that decided it, or that it is asked under.</summary>
    [Id(30)] public string? RuleId { get; init; }
    /// <summary>What the rules said, in a sentence.</summary>
    [Id(31)] public string? RuleReason { get; init; }
    /// <summary>Who may answer: names or ids of keys, actors of links. Empty = whoever has the scope.</summary>
    [Id(32)] public ImmutableArray<string> Approvers { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>How many different people must approve.</summary>
    [Id(33)] public int RequiredApprovals { get => field < 1 ? 1 : field; init; } = 1;
    /// <summary>Who has approved so far.</summary>
    [Id(34)] public ImmutableArray<PermissionApproval> Approvals { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Steps until the deadline.</summary>
    [Id(35)] public ImmutableArray<EscalationStep> Escalation { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>How many of them were taken.</summary>
    [Id(36)] public int EscalationStep { get; init; }
    /// <summary>What happened to it, oldest first; the newest 50.</summary>
    [Id(37)] public ImmutableArray<PermissionNote> History { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Hooks that are asked about it.</summary>
    [Id(38)] public ImmutableArray<string> Hooks { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>The rule that its answer made ("always allow this").</summary>
    [Id(40)] public PolicyRule? Remembered { get; init; }
    /// <summary>Agent kind, for rules and for people.</summary>
    [Id(41)] public string? Agent { get; init; }
    /// <summary>The session's workspace, for rules that are tried on it later.</summary>
    [Id(43)] public string? WorkspaceId { get; init; }
    /// <summary>The session's labels; apart from "labels", which lists filter by.</summary>
    [Id(44)] public ImmutableDictionary<string, string> SessionLabels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } =
        ImmutableDictionary<string, string>.Empty;
    /// <summary>Id of the command that last handed it on.</summary>
    [Id(42)] public string? DelegatedByCommand { get; init; }
    /// <summary>
    /// Whose budget is used up: "task", "session", "tenant". Then the session itself asks, the run is empty, a yes lets the task go on and a no
    /// cancels it. Null = an agent asks.
    /// </summary>
    [Id(45)] public string? Budget { get; init; }

    /// <summary>The deadline of a request that has none.</summary>
    public static DateTimeOffset Never { get; } = new(9999, 12, 31, 0, 0, 0, TimeSpan.Zero);
}

/// <summary>One person's yes, where more than one is needed.</summary>
/// <param name="By">For people.</param>
/// <param name="Actor">Who it was: id of a key, or the actor of a link.</param>
/// <param name="Name">The key's name, or the actor again.</param>
/// <param name="CommandId">The command that brought it.</param>
[GenerateSerializer, Immutable, Alias("mn.permission.approval.v1")]
public sealed record PermissionApproval(
    [property: Id(0)] string By,
    [property: Id(1)] string Actor,
    [property: Id(2)] string? Name,
    [property: Id(3)] string? Reason,
    [property: Id(4)] string CommandId,
    [property: Id(5)] DateTimeOffset At);

/// <summary>One line of a request's history.</summary>
/// <param name="What">"requested", "escalated", "delegated", "approval", "approved", "denied", "expired", "canceled", "delivered".</param>
/// <param name="By">Who; null = nobody, time or the agent did it.</param>
/// <param name="Detail">More of it.</param>
[GenerateSerializer, Immutable, Alias("mn.permission.note.v1")]
public sealed record PermissionNote(
    [property: Id(0)] DateTimeOffset At, [property: Id(1)] string What, [property: Id(2)] string? By, [property: Id(3)] string? Detail);
