using System.Collections.Immutable;

namespace Marionette.Permissions;

/// <summary>What a rule does with a request that it matches.</summary>
public enum PolicyEffect
{
    /// <summary>Unknown to this version; counts as <see cref="Ask"/>.</summary>
    Unknown = 0,
    /// <summary>Approves it at once.</summary>
    Allow = 1,
    /// <summary>Denies it at once.</summary>
    Deny = 2,
    /// <summary>Asks people, on the rule's own terms where it has them.</summary>
    Ask = 3,
}

/// <summary>
/// One rule of a policy, and its JSON. Conditions that are absent match everything; those that are there must all match. A list matches when
/// one of its members does. What "matches" means for allow is stricter than for deny and ask, see docs/guides/permissions.md.
/// </summary>
[GenerateSerializer, Immutable, Alias("mn.policy.rule.v1")]
public sealed record PolicyRule
{
    /// <summary>"pol_…".</summary>
    [Id(0)] public string Id { get; init; } = "";
    /// <summary>For people.</summary>
    [Id(1)] public string? Name { get; init; }
    /// <summary>What it does.</summary>
    [Id(2)] public PolicyEffect Effect { get; init; }
    /// <summary>Why, told to the agent with a denial.</summary>
    [Id(3)] public string? Reason { get; init; }
    /// <summary>Tools, as the agent names them; globs.</summary>
    [Id(4)] public ImmutableArray<string> Tools { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Categories of what is asked: "command", "read", "edit", ….</summary>
    [Id(5)] public ImmutableArray<string> Categories { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Patterns of simple commands.</summary>
    [Id(6)] public ImmutableArray<string> Commands { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Globs of paths.</summary>
    [Id(7)] public ImmutableArray<string> Paths { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Globs of host names.</summary>
    [Id(8)] public ImmutableArray<string> Hosts { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>The lowest risk that it is for: "low", "medium", "high", "critical".</summary>
    [Id(9)] public string? RiskAtLeast { get; init; }
    /// <summary>The highest risk that it is for.</summary>
    [Id(10)] public string? RiskAtMost { get; init; }
    /// <summary>Agent kinds.</summary>
    [Id(11)] public ImmutableArray<string> Agents { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Labels that the session must have.</summary>
    [Id(12)] public ImmutableDictionary<string, string> Labels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } =
        ImmutableDictionary<string, string>.Empty;
    /// <summary>With <see cref="PolicyEffect.Ask"/>: how people are asked; null = as the session says.</summary>
    [Id(13)] public PermissionTerms? Ask { get; init; }
    /// <summary>Where it holds: "tenant", "session" or "task".</summary>
    [Id(14)] public string Scope { get; init; } = "tenant";
    /// <summary>With scope "task": which.</summary>
    [Id(15)] public string? TaskId { get; init; }
    /// <summary>The request whose answer made it ("always allow this"); null = written by hand.</summary>
    [Id(16)] public string? PermissionId { get; init; }
    /// <summary>Who wrote it.</summary>
    [Id(17)] public string? CreatedBy { get; init; }
    /// <summary>When.</summary>
    [Id(18)] public DateTimeOffset CreatedAt { get; init; }

    /// <summary>For people: its name, and its id because names repeat.</summary>
    public override string ToString() => string.IsNullOrEmpty(Name) ? Id : $"\"{Name}\" ({Id})";
}

/// <summary>How people are asked. A member that is absent leaves it to the next wider setting.</summary>
[GenerateSerializer, Immutable, Alias("mn.permission.terms.v1")]
public sealed record PermissionTerms
{
    /// <summary>Unanswered for so long, the request is denied.</summary>
    [Id(0)] public int? TimeoutSeconds { get; init; }
    /// <summary>Steps before that, by time.</summary>
    [Id(1)] public ImmutableArray<EscalationStep> Escalation { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Who may answer: names or ids of keys, actors of links. Empty = whoever has the scope.</summary>
    [Id(2)] public ImmutableArray<string> Approvers { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>How many different people must approve, 1 or 2.</summary>
    [Id(3)] public int? RequiredApprovals { get; init; }
    /// <summary>The lowest risk that <see cref="RequiredApprovals"/> is for; lower ones need one approval. Null = every risk.</summary>
    [Id(4)] public string? RequiredApprovalsRisk { get; init; }
}

/// <summary>One step of an escalation.</summary>
[GenerateSerializer, Immutable, Alias("mn.permission.escalation.v1")]
public sealed record EscalationStep
{
    /// <summary>Seconds after the request.</summary>
    [Id(0)] public int AfterSeconds { get; init; }
    /// <summary>Who is told; where only some may answer, they may from now on.</summary>
    [Id(1)] public ImmutableArray<string> Notify { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Tells those again who were told before.</summary>
    [Id(2)] public bool Remind { get; init; }
}
