using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Marionette.AgentConfigs;

namespace Marionette.Gateway.Rest.Models;

/// <summary>Body of POST /api/v1/agent-configs.</summary>
internal sealed class CreateAgentConfigModel
{
    [Required]
    public string? Name { get; init; }
    [Required, OneOf("claude", "codex", "acp", "command")]
    public string? Agent { get; init; }
    /// <summary>Stored sealed and never shown.</summary>
    public string? ApiKey { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    /// <summary>Stored sealed; only the names are shown.</summary>
    public Dictionary<string, string?>? Env { get; init; }
    /// <summary>Options of the agent kind; an object. It is shown: no secrets.</summary>
    public JsonElement? Extra { get; init; }
    /// <summary>Options of the agent kind too, for what is secret: stored sealed, only the names are shown.</summary>
    public JsonElement? Options { get; init; }
    public bool? IsDefault { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public Dictionary<string, string?>? Annotations { get; init; }
}

/// <summary>Body of PUT and PATCH /api/v1/agent-configs/{id}: members that are there change, "" and {} unset.</summary>
internal sealed class UpdateAgentConfigModel
{
    public string? Name { get; init; }
    /// <summary>Fixed: another one is refused.</summary>
    public string? Agent { get; init; }
    /// <summary>"" takes it away. Needed beside another base_url.</summary>
    public string? ApiKey { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    /// <summary>All of it.</summary>
    public Dictionary<string, string?>? Env { get; init; }
    public JsonElement? Extra { get; init; }
    /// <summary>Options of the agent kind too, for what is secret: stored sealed, only the names are shown.</summary>
    public JsonElement? Options { get; init; }
    public bool? IsDefault { get; init; }
    public Dictionary<string, string?>? Labels { get; init; }
    public Dictionary<string, string?>? Annotations { get; init; }
}

/// <summary>An agent configuration without its secrets.</summary>
internal sealed class AgentConfigModel
{
    private static readonly JsonElement Nothing = JsonDocument.Parse("{}").RootElement;

    public required string Id { get; init; }
    public required string Name { get; init; }
    public required string Agent { get; init; }
    public string? Model { get; init; }
    public string? BaseUrl { get; init; }
    public required bool HasApiKey { get; init; }
    public required ImmutableArray<string> EnvNames { get; init; }
    /// <summary>An object.</summary>
    public required JsonElement Extra { get; init; }
    public required ImmutableArray<string> OptionNames { get; init; }
    public required bool IsDefault { get; init; }
    public required ImmutableDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public DateTime? KeyChangedAt { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required DateTime UpdatedAt { get; init; }

    public static AgentConfigModel Of(AgentConfigView view, bool isDefault) => new()
    {
        Id = view.Id,
        Name = view.Name,
        Agent = view.Agent,
        Model = view.Model,
        BaseUrl = view.BaseUrl,
        HasApiKey = view.HasApiKey,
        EnvNames = Shown.OrEmpty(view.EnvNames),
        Extra = view.Extra is { } text ? JsonDocument.Parse(text).RootElement : Nothing,
        OptionNames = Shown.OrEmpty(view.OptionNames),
        IsDefault = isDefault,
        Labels = Shown.OrEmpty(view.Labels),
        Annotations = Shown.OrEmpty(view.Annotations),
        KeyChangedAt = view.KeyChangedAt?.UtcDateTime,
        CreatedAt = view.CreatedAt.UtcDateTime,
        UpdatedAt = view.UpdatedAt.UtcDateTime,
    };
}
