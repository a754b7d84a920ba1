using System.Collections.Immutable;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

/// <summary>The agent kinds that a session can ask for: the one list behind validation and GET /api/v1/agents.</summary>
internal static class AgentCatalog
{
    public const string Claude = "claude", Command = "command";

    public static readonly ImmutableArray<AgentModel> All =
    [
        new(Claude, "Claude Code over its stream-json protocol.",
            ["streaming", "permissions", "updated_input", "interrupt", "resume", "usage", "cost"]),
        new(Command, "Any program: argv with the prompt on its standard input, its output as log events.",
            ["streaming", "interrupt", "exit_code"]),
    ];

    public static readonly ImmutableArray<string> Names = [.. All.Select(agent => agent.Name)];
}
