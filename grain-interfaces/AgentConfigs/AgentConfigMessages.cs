using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.AgentConfigs;

/// <summary>Members of a configuration to set; null leaves one as it is.</summary>
[GenerateSerializer, Immutable, Alias("mn.agent-config.change.v1")]
public sealed record AgentConfigChange
{
    /// <summary>For people.</summary>
    [Id(0)] public string? Name { get; init; }
    /// <summary>Agent kind; fixed once it is made.</summary>
    [Id(1)] public string? Agent { get; init; }
    /// <summary>Model; "" unsets it.</summary>
    [Id(2)] public string? Model { get; init; }
    /// <summary>Model API; "" unsets it.</summary>
    [Id(3)] public string? BaseUrl { get; init; }
    /// <summary>Sealed key; one with an empty <see cref="SealedSecrets.Box"/> takes it away.</summary>
    [Id(4)] public SealedSecrets? Credential { get; init; }
    /// <summary>Sealed environment; one with an empty <see cref="SealedSecrets.Box"/> takes it away.</summary>
    [Id(5)] public SealedSecrets? Env { get; init; }
    /// <summary>Names of the environment, with <see cref="Env"/>.</summary>
    [Id(6)] public ImmutableArray<string> EnvNames { get; init; } = [];
    /// <summary>Options of the agent kind: a JSON object as text.</summary>
    [Id(7)] public string? Extra { get; init; }
    /// <summary>Sessions of this kind that name none get it; false takes that away.</summary>
    [Id(8)] public bool? IsDefault { get; init; }
    /// <summary>Labels; all of them.</summary>
    [Id(9)] public ImmutableDictionary<string, string>? Labels { get; init; }
    /// <summary>Notes of programs; all of them.</summary>
    [Id(10)] public ImmutableDictionary<string, string>? Annotations { get; init; }
    /// <summary>Sealed options of the agent kind; one with an empty <see cref="SealedSecrets.Box"/> takes them away.</summary>
    [Id(11)] public SealedSecrets? Options { get; init; }
    /// <summary>Names of the options, with <see cref="Options"/>.</summary>
    [Id(12)] public ImmutableArray<string> OptionNames { get; init; } = [];
}

/// <summary>A configuration without its secrets. Times are UTC.</summary>
[GenerateSerializer, Immutable, Alias("mn.agent-config.view.v1")]
public record AgentConfigView
{
    /// <summary>"acfg_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>For people.</summary>
    [Id(1)] public string Name { get; init; } = "";
    /// <summary>Agent kind.</summary>
    [Id(2)] public string Agent { get; init; } = "";
    /// <summary>Model or null.</summary>
    [Id(3)] public string? Model { get; init; }
    /// <summary>Model API or null.</summary>
    [Id(4)] public string? BaseUrl { get; init; }
    /// <summary>It holds a key.</summary>
    [Id(5)] public bool HasApiKey { get; init; }
    /// <summary>Names of its environment; their values are sealed.</summary>
    [Id(6)] public ImmutableArray<string> EnvNames { get; init; } = [];
    /// <summary>Options of the agent kind: a JSON object as text; null = none.</summary>
    [Id(7)] public string? Extra { get; init; }
    /// <summary>The user's labels.</summary>
    [Id(8)] public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>Notes of programs.</summary>
    [Id(9)] public ImmutableDictionary<string, string> Annotations { get; init; } = ImmutableDictionary<string, string>.Empty;
    /// <summary>When its key was last set.</summary>
    [Id(10)] public DateTimeOffset? KeyChangedAt { get; init; }
    /// <summary>When it was made.</summary>
    [Id(11)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When it last changed.</summary>
    [Id(12)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Names of its sealed options.</summary>
    [Id(13)] public ImmutableArray<string> OptionNames { get; init; } = [];
}

/// <summary>The row of <see cref="IAgentDefaultGrain"/>.</summary>
[GenerateSerializer, Immutable, Alias("mn.agent-default.view.v1")]
public sealed record AgentDefaultView([property: Id(0)] string? ConfigId);

/// <summary>Purposes of the sealed boxes: what is sealed for one opens for no other.</summary>
public static class AgentConfigSecrets
{
    /// <summary>Of the key.</summary>
    public const string Credential = "agent-config-credential";

    /// <summary>Of the environment.</summary>
    public const string Env = "agent-config-env";

    /// <summary>Of the options.</summary>
    public const string Options = "agent-config-options";
}
