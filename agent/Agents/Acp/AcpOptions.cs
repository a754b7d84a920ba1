using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <summary>What a session says about its ACP agent.</summary>
internal sealed record AcpOptions
{
    /// <summary>The agent, when it is one that is known.</summary>
    public AcpAgent? Agent { get; private init; }

    /// <summary>Its program and arguments.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    public ModelApi Api { get; private init; }

    /// <summary>MCP servers as the protocol wants them: a JSON array.</summary>
    public string McpServers { get; private init; } = "[]";

    /// <exception cref="AgentStartException">They make no sense.</exception>
    public static AcpOptions Read(Setup setup)
    {
        using var document = Parse(setup);
        var options = document?.RootElement ?? default;
        var name = options.Text("agent"u8);
        var known = name is null ? ByProgram(setup) : AcpAgents.All.FirstOrDefault(agent => agent.Name == name);
        if (name is not null && known is null)
        {
            throw new AgentStartException(
                ErrorCodes.OptionsInvalid, $"No ACP agent \"{name}\" is known. Known are {string.Join(", ", AcpAgents.All.Select(agent => agent.Name))}; any other is named by its command.");
        }

        IReadOnlyList<string> command = setup.Command.Count > 0 ? [.. setup.Command] : known?.Command ?? [];
        if (command.Count == 0)
            throw new AgentStartException(ErrorCodes.OptionsInvalid, "The session names neither a command nor, in its options, an agent that is known.");
        return new AcpOptions
        {
            Agent = known,
            Command = command,
            Api = options.Text("api"u8) switch
            {
                "anthropic" => ModelApi.Anthropic,
                "openai" => ModelApi.OpenAi,
                "gemini" => ModelApi.Gemini,
                "none" => ModelApi.Own,
                _ => known?.Api ?? ModelApi.Unknown,
            },
            McpServers = options.Member("mcp_servers"u8) is { ValueKind: JsonValueKind.Array } servers ? servers.GetRawText() : "[]",
        };
    }

    private static JsonDocument? Parse(Setup setup)
    {
        if (setup.Options.IsEmpty)
            return null;
        try
        {
            return JsonDocument.Parse(setup.Options.Memory);
        }
        catch (JsonException)
        {
            throw new AgentStartException(ErrorCodes.OptionsInvalid, "The session's options are not JSON.");
        }
    }

    // ["opencode","acp"] is OpenCode, however it was named.
    private static AcpAgent? ByProgram(Setup setup)
    {
        var program = setup.Command.Count > 0 ? Path.GetFileName(setup.Command[0]) : "";
        return AcpAgents.All.FirstOrDefault(agent => agent.Command[0] == program);
    }
}
