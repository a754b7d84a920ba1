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

/// <summary>A question of an agent, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.permission.view.v1")]
public sealed record PermissionView
{
    /// <summary>"perm_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>The id that the agent gave it.</summary>
    [Id(1)] public required string OriginalRequestId { get; init; }
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
    /// <summary>"low", "medium", "high", "critical": by the tool's name.</summary>
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
    /// <summary>Denied by itself at this time.</summary>
    [Id(16)] public DateTimeOffset ExpiresAt { get; init; }
    /// <summary>When it was asked.</summary>
    [Id(17)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When its state last changed.</summary>
    [Id(18)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Id of the command that decided it.</summary>
    [Id(19)] public string? DecidedByCommand { get; init; }
    /// <summary>With a denial: the turn ends as well.</summary>
    [Id(20)] public bool Interrupt { get; init; }
}
