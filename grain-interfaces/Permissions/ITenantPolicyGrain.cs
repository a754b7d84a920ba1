using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.Permissions;

/// <summary>A tenant's rules and approval hooks: the one writer of both. Key: <c>tenant/policies</c>.</summary>
[Alias("mn.policy.v1"), GrainInterfaceType("mn.policy")]
public interface ITenantPolicyGrain : IGrainWithStringKey
{
    /// <summary>Second part of the key.</summary>
    const string Id = "policies";

    /// <summary>Everything, in the order in which it is tried.</summary>
    [Alias("get"), ReadOnly] ValueTask<TenantPolicy> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Puts a rule in, or one of the same id in its place. Idempotent by the rule's id and content.</summary>
    /// <param name="position">From 0; null = where it is, or at the end.</param>
    /// <param name="ifVersion">Refuse when the policy has another version; null = whatever it has.</param>
    /// <exception cref="MarionetteException">Conflict: another version, or too many rules.</exception>
    [Alias("put-rule")] Task<TenantPolicy> PutRuleAsync(PolicyRule rule, int? position, long? ifVersion, CancellationToken cancellationToken = default);

    /// <summary>Moves a rule. A position beyond the end is the end.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict.</exception>
    [Alias("move-rule")] Task<TenantPolicy> MoveRuleAsync(string ruleId, int position, long? ifVersion, CancellationToken cancellationToken = default);

    /// <summary>Takes a rule out.</summary>
    /// <exception cref="MarionetteException">NotFound; Conflict.</exception>
    [Alias("remove-rule")] Task<TenantPolicy> RemoveRuleAsync(string ruleId, long? ifVersion, CancellationToken cancellationToken = default);

    /// <summary>Puts a hook in, or one of the same id in its place.</summary>
    /// <exception cref="MarionetteException">Conflict: too many hooks.</exception>
    [Alias("put-hook")] Task<TenantPolicy> PutHookAsync(ApprovalHook hook, CancellationToken cancellationToken = default);

    /// <summary>Takes a hook out.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("remove-hook")] Task<TenantPolicy> RemoveHookAsync(string hookId, CancellationToken cancellationToken = default);

    /// <summary>What would become of requests, without any of them being made.</summary>
    /// <param name="rules">Rules to try instead of the stored ones; default = the stored ones.</param>
    [Alias("test"), ReadOnly]
    ValueTask<ImmutableArray<PolicyVerdict>> TestAsync(
        ImmutableArray<PermissionSubject> requests, ImmutableArray<PolicyRule> rules, CancellationToken cancellationToken = default);
}

/// <summary>A tenant's policy, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.policy.view.v1")]
public sealed record TenantPolicy
{
    /// <summary>Rules that a tenant may have.</summary>
    public const int MaxRules = 500;

    /// <summary>Hooks that a tenant may have.</summary>
    public const int MaxHooks = 20;

    /// <summary>Grows with every change; 0 = nothing was ever written.</summary>
    [Id(0)] public long Version { get; init; }
    /// <summary>In the order in which they are tried.</summary>
    [Id(1)] public ImmutableArray<PolicyRule> Rules { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Hooks, oldest first.</summary>
    [Id(2)] public ImmutableArray<ApprovalHook> Hooks { get => field.IsDefault ? [] : field; init; } = [];
}

/// <summary>An address that is asked about requests before, or beside, people.</summary>
[GenerateSerializer, Immutable, Alias("mn.policy.hook.v1")]
public sealed record ApprovalHook
{
    /// <summary>"phk_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string? Name { get; init; }
    /// <summary>http or https.</summary>
    [Id(2)] public required string Url { get; init; }
    /// <summary>The sealed secret that posts are signed with.</summary>
    [Id(3)] public SealedSecrets? Secret { get; init; }
    /// <summary>The lowest risk that it is asked about; null = any.</summary>
    [Id(4)] public string? RiskAtLeast { get; init; }
    /// <summary>Categories that it is asked about; empty = any.</summary>
    [Id(5)] public ImmutableArray<string> Categories { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Labels that the session must have.</summary>
    [Id(6)] public ImmutableDictionary<string, string> Labels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } =
        ImmutableDictionary<string, string>.Empty;
    /// <summary>How long one post may take.</summary>
    [Id(7)] public int TimeoutSeconds { get; init; } = 10;
    /// <summary>Who made it.</summary>
    [Id(8)] public string? CreatedBy { get; init; }
    /// <summary>When.</summary>
    [Id(9)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>It is not asked for now.</summary>
    [Id(10)] public bool Paused { get; init; }

    /// <summary>Never the secret.</summary>
    public override string ToString() => $"ApprovalHook({Id})";
}

/// <summary>What is asked, and by whom: all that rules look at.</summary>
[GenerateSerializer, Immutable, Alias("mn.policy.subject.v1")]
public sealed record PermissionSubject
{
    /// <summary>Tool's name as the agent says it.</summary>
    [Id(0)] public required string Tool { get; init; }
    /// <summary>What kind of act it is.</summary>
    [Id(1)] public string Category { get; init; } = "other";
    /// <summary>The shell command.</summary>
    [Id(2)] public string? Command { get; init; }
    /// <summary>Files and folders concerned.</summary>
    [Id(3)] public ImmutableArray<string> Paths { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Hosts concerned.</summary>
    [Id(4)] public ImmutableArray<string> Hosts { get => field.IsDefault ? [] : field; init; } = [];
    /// <summary>Agent kind.</summary>
    [Id(5)] public string Agent { get; init; } = "";
    /// <summary>The session's labels.</summary>
    [Id(6)] public ImmutableDictionary<string, string> Labels { get => field ?? ImmutableDictionary<string, string>.Empty; init; } =
        ImmutableDictionary<string, string>.Empty;
    /// <summary>"ws_…", by which paths in the workspace are told from others; null = not known.</summary>
    [Id(7)] public string? WorkspaceId { get; init; }
    /// <summary>Its task, for rules of one task.</summary>
    [Id(8)] public string? TaskId { get; init; }
    /// <summary>A past request's id, for the reader of the verdict.</summary>
    [Id(9)] public string? PermissionId { get; init; }
}

/// <summary>What the rules say of a request.</summary>
/// <param name="Effect">Allow, deny or ask.</param>
/// <param name="Rule">The rule that decided; null = none matched.</param>
/// <param name="Why">In a sentence.</param>
/// <param name="RiskLevel">"low", "medium", "high", "critical".</param>
/// <param name="RiskReasons">What makes it so.</param>
/// <param name="Trace">The rules that were looked at, in order.</param>
/// <param name="PermissionId">As it came with the subject.</param>
[GenerateSerializer, Immutable, Alias("mn.policy.verdict.v1")]
public sealed record PolicyVerdict(
    [property: Id(0)] PolicyEffect Effect,
    [property: Id(1)] PolicyRule? Rule,
    [property: Id(2)] string Why,
    [property: Id(3)] string RiskLevel,
    [property: Id(4)] ImmutableArray<string> RiskReasons,
    [property: Id(5)] ImmutableArray<RuleTrace> Trace,
    [property: Id(6)] string? PermissionId);

/// <summary>What one rule said of one part of a request.</summary>
/// <param name="RuleId">Which.</param>
/// <param name="Part">The simple command; null = the request as a whole.</param>
/// <param name="Matched">Whether it matched.</param>
/// <param name="Why">Which condition did not match, or "matches".</param>
[GenerateSerializer, Immutable, Alias("mn.policy.trace.v1")]
public sealed record RuleTrace(
    [property: Id(0)] string RuleId, [property: Id(1)] string? Part, [property: Id(2)] bool Matched, [property: Id(3)] string Why);
