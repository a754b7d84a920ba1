using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Broker;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Acp;

/// <summary>Which API an agent talks to its model with: by what names it takes address and key.</summary>
internal enum ModelApi
{
    /// <summary>Not known: the agent gets them by every usual name.</summary>
    Unknown,
    Anthropic,
    OpenAi,
    Gemini,

    /// <summary>It has a login of its own; a session's key is not for it.</summary>
    Own,

    /// <summary>OpenCode: all in one configuration.</summary>
    OpenCode,
}

/// <summary>An agent that is known to speak ACP.</summary>
/// <param name="Name">What the option <c>agent</c> calls it.</param>
/// <param name="Command">Its program and arguments.</param>
/// <param name="Install">How it comes onto a machine.</param>
internal sealed record AcpAgent(string Name, IReadOnlyList<string> Command, ModelApi Api, string Install);

/// <summary>The agents that are known, and the environment that each needs.</summary>
internal static class AcpAgents
{
    public static readonly IReadOnlyList<AcpAgent> All =
    [
        new("claude-agent-acp", ["claude-agent-acp"], ModelApi.Anthropic, "npm install -g @agentclientprotocol/claude-agent-acp"),
        new("codex-acp", ["codex-acp"], ModelApi.OpenAi, "npm install -g @agentclientprotocol/codex-acp"),
        new("opencode", ["opencode", "acp"], ModelApi.OpenCode, "npm install -g opencode-ai"),
        new("gemini", ["gemini", "--acp"], ModelApi.Gemini, "npm install -g @google/gemini-cli"),
        new("copilot", ["copilot", "--acp"], ModelApi.Own, "npm install -g @github/copilot"),
        new("qwen", ["qwen", "--acp"], ModelApi.OpenAi, "npm install -g @qwen-code/qwen-code"),
        new("goose", ["goose", "acp"], ModelApi.OpenAi, "its own installer"),
        new("kimi", ["kimi", "acp"], ModelApi.OpenAi, "its own installer"),
    ];

    private static readonly string[] AskedActs = ["edit", "bash", "webfetch"];

    /// <summary>Where the requests of an agent go when the session names no base URL.</summary>
    public static string UpstreamOf(ModelApi api) => api switch
    {
        ModelApi.Anthropic => "https://api.anthropic.com",
        ModelApi.Gemini => "https://generativelanguage.googleapis.com",
        _ => "https://api.openai.com/v1",
    };

    /// <summary>Tells the agent where its model is and by what key. With a broker that is the broker and a placeholder.</summary>
    public static void AddModel(Dictionary<string, string> environment, AcpAgent? agent, ModelApi api, Setup setup, CredentialBroker? broker)
    {
        var address = broker?.BaseUrl ?? setup.BaseUrl;
        var key = broker?.Token ?? "";
        if (api is ModelApi.Own || (address.Length == 0 && key.Length == 0))
            return;
        if (api is ModelApi.Anthropic or ModelApi.Unknown)
            Set(environment, ("ANTHROPIC_BASE_URL", address), ("ANTHROPIC_API_KEY", key), ("ANTHROPIC_MODEL", setup.Model));
        if (api is ModelApi.OpenAi or ModelApi.Unknown)
            Set(environment, ("OPENAI_BASE_URL", address), ("OPENAI_API_KEY", key), ("OPENAI_MODEL", setup.Model));
        if (api is ModelApi.Gemini)
            Set(environment, ("GOOGLE_GEMINI_BASE_URL", address), ("GEMINI_API_KEY", key), ("GEMINI_MODEL", setup.Model));
        if (api is ModelApi.OpenCode)
            Set(environment, ("MARIONETTE_MODEL_KEY", key), ("OPENCODE_CONFIG_CONTENT", OpenCodeConfig(setup, address)));
        if (agent is null)
            return;
        Set(environment, ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"), ("DISABLE_AUTOUPDATER", "1"), ("OPENCODE_DISABLE_AUTOUPDATE", "1"));
    }

    // A provider of our own, so that no list of models has to be fetched, and every act that changes something asks.
    private static string OpenCodeConfig(Setup setup, string address)
    {
        const string provider = "marionette";
        var model = setup.Model.Length > 0 ? setup.Model : "default";
        return System.Text.Encoding.UTF8.GetString(AskInput.Object(json =>
        {
            json.WriteBoolean("autoupdate"u8, false);
            json.WriteString("share"u8, "disabled"u8);
            json.WriteString("model"u8, $"{provider}/{model}");
            json.WriteString("small_model"u8, $"{provider}/{model}");
            json.WriteStartObject("permission"u8);
            foreach (var act in AskedActs)
                json.WriteString(act, "ask"u8);
            json.WriteEndObject();
            json.WriteStartObject("provider"u8);
            json.WriteStartObject(provider);
            json.WriteString("npm"u8, "@ai-sdk/openai-compatible"u8);
            json.WriteString("name"u8, "Marionette"u8);
            json.WriteStartObject("options"u8);
            json.WriteString("baseURL"u8, address);
            json.WriteString("apiKey"u8, "{env:MARIONETTE_MODEL_KEY}"u8);
            json.WriteEndObject();
            json.WriteStartObject("models"u8);
            json.WriteStartObject(model);
            json.WriteString("name"u8, model);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }));
    }

    private static void Set(Dictionary<string, string> environment, params ReadOnlySpan<(string Name, string Value)> pairs)
    {
        foreach (var (name, value) in pairs)
        {
            if (value.Length > 0)
                environment[name] = value;
        }
    }
}
