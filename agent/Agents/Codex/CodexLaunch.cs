using System.Text.Json;
using Marionette.Agent.Agents.Rpc;
using Marionette.Agent.Broker;
using Marionette.Agent.Events;
using Marionette.Agent.Processes;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Codex;

/// <summary>
/// How <c>codex app-server</c> is started. Everything of ours goes in by arguments and by requests, so that a config.toml that the
/// session's home brings along stays as it is and still counts where we say nothing.
/// </summary>
internal static class CodexLaunch
{
    /// <summary>Name of our model provider in Codex's configuration.</summary>
    public const string Provider = "marionette";

    /// <summary>Where OpenAI's API is, as a session's base_url would name it.</summary>
    public const string DefaultUpstream = "https://api.openai.com/v1";

    // Codex calls out by itself: plugins, apps, telemetry, updates. A runner's Codex talks to the model alone.
    private static readonly string[] Quiet =
    [
        "check_for_update_on_startup=false", "analytics.enabled=false", "feedback.enabled=false",
        "features.plugins=false", "features.remote_plugin=false", "features.apps=false",
    ];

    /// <exception cref="AgentStartException">Codex is not there.</exception>
    public static RpcLaunch Create(AgentServices services, Setup setup, CredentialBroker? broker)
    {
        var config = services.Config;
        var environment = ChildEnvironment.Create(config, services.Environment, setup.Env);
        environment["CODEX_HOME"] = CodexHome.Make(config.HomeDir);
        if (broker is not null)
        {
            environment.Remove("OPENAI_API_KEY");
            environment.Remove("CODEX_API_KEY");
        }

        List<string> arguments = ["app-server"];
        foreach (var setting in Quiet.Concat(ProviderSettings(setup, broker)))
            arguments.AddRange(["-c", setting]);
        var spec = new ChildSpec
        {
            File = CodexBinary.Find(config, services.Environment),
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = config.WorkspaceDir,
        };
        return new RpcLaunch(spec, string.Join('\u001f', [.. arguments, .. environment.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}")]));
    }

    /// <summary>
    /// What the thread's own configuration holds: the session's settings, and the placeholder of the key. Neither the environment, nor
    /// the process list, nor a file holds them, so no tool can read them there.
    /// </summary>
    /// <exception cref="AgentStartException">The session's options make no sense.</exception>
    public static void WriteThreadConfig(Utf8JsonWriter json, Setup setup, CredentialBroker? broker)
    {
        using var options = ParseOptions(setup);
        json.WriteStartObject("config"u8);
        if (options?.RootElement.Member("config"u8) is { ValueKind: JsonValueKind.Object } settings)
        {
            foreach (var setting in settings.EnumerateObject().Where(setting => !setting.Name.StartsWith($"model_providers.{Provider}", StringComparison.Ordinal)))
                CodexMcp.WriteSetting(json, setting);
        }

        if (broker is not null)
            json.WriteString($"model_providers.{Provider}.experimental_bearer_token", broker.Token);
        json.WriteEndObject();
    }

    /// <summary>The MCP servers that the session brings along, each with the seconds that it has to start.</summary>
    /// <exception cref="AgentStartException">The session's options make no sense.</exception>
    public static IReadOnlyDictionary<string, double> ServersOf(Setup setup)
    {
        using var options = ParseOptions(setup);
        return CodexMcp.ServersOf(options?.RootElement.Member("config"u8) ?? default);
    }

    private static JsonDocument? ParseOptions(Setup setup)
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

    private static IEnumerable<string> ProviderSettings(Setup setup, CredentialBroker? broker)
    {
        var address = broker?.BaseUrl ?? setup.BaseUrl;
        if (address.Length == 0)
            yield break; // Codex's own login, or a key in the session's environment
        yield return $"model_provider=\"{Provider}\"";
        yield return $"model_providers.{Provider}={{name=\"{Provider}\",base_url=\"{address.TrimEnd('/')}\",wire_api=\"responses\"}}";
    }
}
