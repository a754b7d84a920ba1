using System.CommandLine;
using System.Text.Json.Nodes;

namespace Marionette.Cli.Commands;

/// <summary>The options that say what agent a new session has; shared by the commands that make sessions.</summary>
internal sealed class SessionOptions
{
    public Option<string> Agent { get; } = new("--agent") { Description = "claude, codex, acp for an agent that speaks it, or command for a program of your own", DefaultValueFactory = _ => "claude" };

    public Option<string?> Model { get; } = new("--model") { Description = "Model, as the agent names it" };

    public Option<string?> BaseUrl { get; } = new("--base-url") { Description = "Address of the model's API", HelpName = "URL" };

    public Option<string?> AgentApiKey { get; } = new("--agent-api-key")
    {
        Description = "Key for the model. Other users of this machine can see it in the process list: ANTHROPIC_API_KEY is used when this is not given",
        HelpName = "KEY",
    };

    public Option<string?> AgentConfig { get; } = new("--agent-config") { Description = "Stored agent configuration, acfg_…", HelpName = "ID" };

    public Option<string[]> Env { get; } = Arguments.Pairs("--env", "Variables for the agent");

    public Option<string[]> Labels { get; } = Arguments.Pairs("--labels", "Labels", "--label");

    public PlacementOptions Placement { get; } = new();

    public void AddTo(Command command, bool withLabels = true)
    {
        command.Add(Agent);
        command.Add(Model);
        command.Add(BaseUrl);
        command.Add(AgentApiKey);
        command.Add(AgentConfig);
        command.Add(Env);
        Placement.AddTo(command);
        if (withLabels)
            command.Add(Labels);
    }

    public JsonObject Body(ParseResult result, CliContext context)
    {
        var agent = result.GetValue(Agent)!;
        var config = result.GetValue(AgentConfig);
        // A stored configuration has its own key; another one beside it would silently win.
        var key = result.GetValue(AgentApiKey) ?? (agent == "claude" && config is null ? context.Variable("ANTHROPIC_API_KEY") : null);
        return Placement.Put(result, new JsonObject { ["agent"] = agent })
            .Put("model", result.GetValue(Model))
            .Put("base_url", result.GetValue(BaseUrl))
            .Put("api_key", key)
            .Put("agent_config_id", config)
            .Put("env", Arguments.Map(result.GetValue(Env), "--env"))
            .Put("labels", Arguments.Map(result.GetValue(Labels), "--labels"));
    }
}
