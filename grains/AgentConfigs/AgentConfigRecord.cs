using Marionette.Sessions;

namespace Marionette.AgentConfigs;

/// <summary>A configuration's row: its view, and its sealed secrets.</summary>
internal sealed record AgentConfigRecord : AgentConfigView
{
    /// <summary>Sealed key or null.</summary>
    public SealedSecrets? Credential { get; init; }

    /// <summary>Sealed environment or null.</summary>
    public SealedSecrets? Env { get; init; }

    /// <summary>Sealed options or null.</summary>
    public SealedSecrets? Options { get; init; }

    /// <summary>What others may see: a copy without the boxes.</summary>
    public AgentConfigView ToView() => new()
    {
        Id = Id, Name = Name, Agent = Agent, Model = Model, BaseUrl = BaseUrl, HasApiKey = HasApiKey, EnvNames = EnvNames, OptionNames = OptionNames, Extra = Extra,
        Labels = Labels, Annotations = Annotations, KeyChangedAt = KeyChangedAt, CreatedAt = CreatedAt, UpdatedAt = UpdatedAt,
    };
}
