using System.Collections.Immutable;

namespace Marionette.Gateway.Rest;

/// <summary>
/// The agent kinds that a session can ask for: the one list behind validation and GET /api/v1/agents. test/Marionette.Adapters.Tests compiles this file
/// too and holds the real agents to it.
/// </summary>
internal static class AgentCatalog
{
    public const string Claude = "claude", Codex = "codex", Acp = "acp", Command = "command", Replay = "replay";

    public static readonly ImmutableArray<AgentKind> All =
    [
        new(Claude, "Claude Code over its stream-json protocol.",
            ["streaming", "model", "permissions", "denial_reason", "updated_input", "deny_interrupts", "modes", "plan", "questions", "messages", "configure", "images",
                "mcp", "structured_output", "sub_agents", "interrupt", "resume", "usage", "cost", "retries"]),
        new(Codex, "Codex over its app-server protocol.",
            ["streaming", "model", "permissions", "deny_interrupts", "modes", "plan", "messages", "interrupt", "resume", "usage", "retries"]),
        new(Acp, "Any agent that speaks the Agent Client Protocol over standard input and output: OpenCode, Gemini CLI, Copilot and others.",
            ["streaming", "model", "permissions", "deny_interrupts", "modes", "plan", "interrupt", "resume", "usage", "retries"]),
        new(Command, "Any program: prompt by standard input, argument or file, its output as log events, or as any event by the line protocol.",
            ["streaming", "permissions", "denial_reason", "updated_input", "deny_interrupts", "messages", "structured_output", "interrupt", "usage", "cost", "exit_code"]),
        new(Replay, "A recorded session, played again with its timing or at speed: no model, no tokens.",
            ["streaming", "permissions", "deny_interrupts", "structured_output", "interrupt", "usage", "cost"]),
    ];

    public static readonly ImmutableArray<string> Names = [.. All.Select(agent => agent.Name)];
}

/// <summary>An agent kind.</summary>
/// <param name="Features">What it can do.</param>
internal sealed record AgentKind(string Name, string Description, ImmutableArray<string> Features);
