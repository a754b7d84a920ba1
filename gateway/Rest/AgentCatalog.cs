using System.Collections.Immutable;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

/// <summary>The agent kinds that a session can ask for: the one list behind validation and GET /api/v1/agents.</summary>
internal static class AgentCatalog
{
    public const string Claude = "claude", Codex = "codex", Acp = "acp", Command = "command";

    public static readonly ImmutableArray<AgentModel> All =
    [
        new(Claude, "Claude Code over its stream-json protocol.",
            ["streaming", "permissions", "updated_input", "interrupt", "resume", "usage", "cost"]),
        new(Codex, "Codex over its app-server protocol.",
            ["streaming", "permissions", "plan", "messages", "interrupt", "resume", "usage"]),
        new(Acp, "Any agent that speaks the Agent Client Protocol over standard input and output: OpenCode, Gemini CLI, Copilot and others.",
            ["streaming", "permissions", "plan", "interrupt", "resume", "usage"]),
        new(Command, "Any program: argv with the prompt on its standard input, its output as log events.",
            ["streaming", "interrupt", "exit_code"]),
    ];

    public static readonly ImmutableArray<string> Names = [.. All.Select(agent => agent.Name)];
}
