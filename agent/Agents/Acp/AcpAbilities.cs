using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Acp;

/// <summary>What an agent says that it can do.</summary>
internal sealed record AcpAbilities
{
    /// <summary>It loads an earlier session and tells all of it again.</summary>
    public bool Load { get; private init; }

    /// <summary>It goes on with an earlier session without telling it again.</summary>
    public bool Resume { get; private init; }

    /// <summary>Prompts may hold images.</summary>
    public bool Images { get; private init; }

    /// <summary>Prompts may hold whole files.</summary>
    public bool Embedded { get; private init; }

    /// <param name="answer">The answer to <c>initialize</c>.</param>
    public static AcpAbilities Read(JsonElement answer)
    {
        var agent = answer.Member("agentCapabilities"u8);
        var prompt = agent.Member("promptCapabilities"u8);
        return new AcpAbilities
        {
            Load = agent.Flag("loadSession"u8),
            Resume = agent.Member("sessionCapabilities"u8).Member("resume"u8).ValueKind == JsonValueKind.Object,
            Images = prompt.Flag("image"u8),
            Embedded = prompt.Flag("embeddedContext"u8),
        };
    }
}
