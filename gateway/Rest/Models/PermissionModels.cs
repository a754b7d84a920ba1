using System.ComponentModel.DataAnnotations;
using Marionette.Permissions;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Answer to an approval that made a rule.</summary>
internal sealed record RememberedModel(string PermissionId, PolicyModel Rule);

/// <summary>Body of POST /api/v1/permissions/{id}/delegate.</summary>
internal sealed class DelegatePermissionModel
{
    /// <summary>Name or id of a key, or the actor of links to come.</summary>
    [Required]
    public string? To { get; init; }
    public string? Reason { get; init; }
}

/// <summary>Body of POST /api/v1/permissions/decide: which requests, and the one answer to all of them.</summary>
internal sealed class DecidePermissionsModel
{
    public List<string?>? Ids { get; init; }
    public PermissionFilterModel? Filter { get; init; }
    [Required, OneOf("approve", "deny")]
    public string? Decision { get; init; }
    public string? Reason { get; init; }
}

/// <summary>Open requests that match all of it; at least one member.</summary>
internal sealed class PermissionFilterModel
{
    public string? SessionId { get; init; }
    public string? TaskId { get; init; }
    public List<string?>? Tool { get; init; }
    public List<string?>? Category { get; init; }
    public List<string?>? RiskLevel { get; init; }
}

/// <summary>What became of each.</summary>
internal sealed record DecisionListModel(IReadOnlyList<DecisionItemModel> Items);

/// <param name="Status">The request's state after it; absent where it failed.</param>
/// <param name="Code">Why it failed, as in an error.</param>
internal sealed record DecisionItemModel(string Id, bool Ok, string? Status, string? Code, string? Message);

/// <summary>Body of POST /api/v1/permissions/{id}/links.</summary>
internal sealed class CreateLinkModel
{
    /// <summary>Who will answer with it.</summary>
    [Required]
    public string? Actor { get; init; }
    /// <summary>Seconds, 60 to 604800; 3600 when left out. Never longer than the request waits.</summary>
    public int? ExpiresIn { get; init; }
    public List<string?>? Actions { get; init; }
}

/// <summary>A link that answers one request once. Shown this once.</summary>
internal sealed record LinkModel(string Id, string PermissionId, string Url, string Actor, IReadOnlyList<string> Actions, DateTime ExpiresAt);

/// <summary>Body of POST /api/v1/permission-hooks and of PUT /api/v1/permission-hooks/{id}.</summary>
internal sealed class CreateHookModel
{
    public string? Name { get; init; }
    [Required]
    public string? Url { get; init; }
    /// <summary>What posts are signed with; left out = one is made.</summary>
    public string? Secret { get; init; }
    [OneOf("low", "medium", "high", "critical")]
    public string? RiskAtLeast { get; init; }
    public List<string?>? Categories { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public int? TimeoutSeconds { get; init; }
    /// <summary>It is not asked for now.</summary>
    public bool? Paused { get; init; }
}

/// <summary>A hook without its secret.</summary>
internal sealed class HookModel
{
    public required string Id { get; init; }
    public string? Name { get; init; }
    public required string Url { get; init; }
    public string? RiskAtLeast { get; init; }
    public IReadOnlyList<string?>? Categories { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public required int TimeoutSeconds { get; init; }
    public required bool Paused { get; init; }
    public string? CreatedBy { get; init; }
    public required DateTime CreatedAt { get; init; }

    public static HookModel Of(ApprovalHook hook) => new()
    {
        Id = hook.Id, Name = hook.Name, Url = hook.Url, RiskAtLeast = hook.RiskAtLeast, Categories = PolicyModel.Some(hook.Categories),
        Labels = hook.Labels.IsEmpty ? null : hook.Labels, TimeoutSeconds = hook.TimeoutSeconds, Paused = hook.Paused, CreatedBy = hook.CreatedBy, CreatedAt = hook.CreatedAt.UtcDateTime,
    };
}

/// <summary>A new hook; the secret is shown this once.</summary>
internal sealed record CreatedHookModel(HookModel Hook, string? Secret);
