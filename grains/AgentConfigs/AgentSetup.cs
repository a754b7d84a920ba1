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
    /// <param name="ownOptions">Options of the session, a JSON object in UTF-8, or null.</param>
    /// <param name="open">Opens a box of the configuration for a purpose.</param>
    public static AgentSetup Of(
        SessionView session, SessionSecrets? own, byte[]? ownOptions, AgentConfigRecord? config, Func<SealedSecrets, string, SessionSecrets> open)
    {
        var env = (own?.Env ?? ImmutableDictionary<string, string>.Empty).ToImmutableDictionary(StringComparer.Ordinal);
        if (config is null) return new AgentSetup(session.BaseUrl, own?.ApiKey, env, ownOptions);

        // The stored key is for the configuration's address and goes nowhere else, whatever the session says.
        var key = own?.ApiKey;
        if (key is null && config.Credential is { } credential && (session.BaseUrl is null || session.BaseUrl == config.BaseUrl))
            key = open(credential, AgentConfigSecrets.Credential).ApiKey;
        if (config.Env is { } sealedEnv) env = open(sealedEnv, AgentConfigSecrets.Env).Env.ToImmutableDictionary(StringComparer.Ordinal).SetItems(env);
        return new AgentSetup(session.BaseUrl ?? config.BaseUrl, key, env, Merge(config.Extra, ownOptions));
    }

    /// <summary>Never the secrets.</summary>
    public override string ToString() => nameof(AgentSetup);

    /// <summary>Member by member, the session's first.</summary>
    private static byte[]? Merge(string? extra, byte[]? own)
    {
        if (extra is null) return own;
        if (own is null) return Encoding.UTF8.GetBytes(extra);
        if (JsonNode.Parse(extra) is not JsonObject below || JsonNode.Parse(own) is not JsonObject above) return own;
        foreach (var (name, value) in above) below[name] = value?.DeepClone();
        return JsonSerializer.SerializeToUtf8Bytes(below, NodeJsonContext.Default.JsonObject);
    }
}
