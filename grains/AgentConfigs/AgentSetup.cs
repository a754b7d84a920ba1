using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Sessions;

namespace Marionette.AgentConfigs;

/// <summary>What an agent is started with: the session's own values, and beneath them those of its configuration. Holds opened secrets: never log it.</summary>
internal sealed record AgentSetup(string? BaseUrl, string? ApiKey, ImmutableDictionary<string, string> Env, byte[]? Options)
{
    /// <summary>Puts both together. Whatever the session brings itself goes before the configuration.</summary>
    /// <param name="own">Opened secrets of the session, or null.</param>
    /// <param name="open">Opens a box of the configuration for a purpose.</param>
    public static AgentSetup Of(
        SessionView session, SessionSecrets? own, AgentConfigRecord? config, Func<SealedSecrets, string, SessionSecrets> open)
    {
        var env = (own?.Env ?? ImmutableDictionary<string, string>.Empty).ToImmutableDictionary(StringComparer.Ordinal);
        if (config is null) return new AgentSetup(session.BaseUrl, own?.ApiKey, env, own?.Options);

        // The stored key is for the configuration's address and goes nowhere else, whatever the session says.
        var key = own?.ApiKey;
        if (key is null && config.Credential is { } credential && (session.BaseUrl is null || session.BaseUrl == config.BaseUrl))
            key = open(credential, AgentConfigSecrets.Credential).ApiKey;
        if (config.Env is { } sealedEnv) env = open(sealedEnv, AgentConfigSecrets.Env).Env.ToImmutableDictionary(StringComparer.Ordinal).SetItems(env);
        var below = config.Extra is { } extra ? Encoding.UTF8.GetBytes(extra) : null;
        var stored = config.Options is { } box ? open(box, AgentConfigSecrets.Options).Options : null;
        return new AgentSetup(session.BaseUrl ?? config.BaseUrl, key, env, Merge(Merge(below, stored), own?.Options));
    }

    /// <summary>Never the secrets.</summary>
    public override string ToString() => nameof(AgentSetup);

    /// <summary>Member by member; what lies above goes before.</summary>
    private static byte[]? Merge(byte[]? below, byte[]? above)
    {
        if (below is null || above is null) return above ?? below;
        if (JsonNode.Parse(below) is not JsonObject merged || JsonNode.Parse(above) is not JsonObject members) return above;
        foreach (var (name, value) in members) merged[name] = value?.DeepClone();
        return JsonSerializer.SerializeToUtf8Bytes(merged, NodeJsonContext.Default.JsonObject);
    }
}
