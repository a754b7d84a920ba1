using System.Text.Json;
using Marionette.AgentConfigs;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Sessions;
using SessionSecrets = Marionette.Gateway.Secrets.SessionSecrets;

namespace Marionette.Gateway.Rest;

/// <summary>What an agent configuration may hold. Secrets are sealed here and go on as boxes.</summary>
internal static class AgentConfigRules
{
    private const int MaxExtra = 64 * 1024;
    private static readonly SealedSecrets Nothing = new("", []);

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static AgentConfigChange Check(CreateAgentConfigModel body, string tenant, string id, SecretSealer sealer)
    {
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(body.Name)) errors.Add("name", "is required");
        if (!AgentCatalog.Names.Contains(body.Agent ?? "")) errors.Add("agent", $"must be one of {string.Join(", ", AgentCatalog.Names)}");
        return Check(errors, new UpdateAgentConfigModel
        {
            Name = body.Name, Agent = body.Agent, ApiKey = body.ApiKey, Model = body.Model, BaseUrl = body.BaseUrl, Env = body.Env, Extra = body.Extra, Options = body.Options,
            IsDefault = body.IsDefault, Labels = body.Labels, Annotations = body.Annotations,
        }, tenant, id, sealer);
    }

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static AgentConfigChange Check(UpdateAgentConfigModel body, string tenant, string id, SecretSealer sealer)
    {
        var errors = new FieldErrors();
        if (body.Name is not null && string.IsNullOrWhiteSpace(body.Name)) errors.Add("name", "must not be empty");
        return Check(errors, body, tenant, id, sealer);
    }

    private static AgentConfigChange Check(FieldErrors errors, UpdateAgentConfigModel body, string tenant, string id, SecretSealer sealer)
    {
        if (body.ApiKey is { Length: > 0 }) SessionRules.CheckApiKey(errors, body.ApiKey);
        var env = body.Env is null ? null : SessionRules.Env(errors, body.Env);
        var change = new AgentConfigChange
        {
            Name = errors.Text("name", body.Name, 200),
            Agent = body.Agent,
            Model = errors.Text("model", body.Model, 200),
            BaseUrl = body.BaseUrl is { Length: > 0 } url ? SessionRules.BaseUrl(errors, url) : body.BaseUrl,
            Extra = Object(errors, "extra", body.Extra),
            IsDefault = body.IsDefault,
            Labels = body.Labels is null ? null : errors.Labels("labels", body.Labels),
            Annotations = body.Annotations is null ? null : errors.Labels("annotations", body.Annotations),
        };
        var options = Object(errors, "options", body.Options);
        errors.ThrowIfAny();
        return change with
        {
            Credential = body.ApiKey switch
            {
                null => null,
                "" => Nothing,
                var key => sealer.Seal(tenant, id, new SessionSecrets(key, null), AgentConfigSecrets.Credential),
            },
            Env = env is null ? null : env.IsEmpty ? Nothing : sealer.Seal(tenant, id, new SessionSecrets(null, env), AgentConfigSecrets.Env),
            Options = options is null ? null : options.Length == 0 ? Nothing : sealer.Seal(tenant, id, new SessionSecrets(null, null, body.Options), AgentConfigSecrets.Options),
            OptionNames = options is null ? [] : [.. body.Options!.Value.EnumerateObject().Select(option => option.Name).Order(StringComparer.Ordinal)],
            EnvNames = env is null ? [] : [.. env.Keys.Order(StringComparer.Ordinal)],
        };
    }

    /// <summary>The object as text; "" unsets.</summary>
    private static string? Object(FieldErrors errors, string field, JsonElement? given)
    {
        if (given is not { } element) return null;
        if (element.ValueKind != JsonValueKind.Object) errors.Add(field, "must be an object");
        else if (FieldErrors.Utf8Length(element.GetRawText()) > MaxExtra) errors.Add(field, $"must have at most {MaxExtra} bytes");
        else return element.EnumerateObject().Any() ? element.GetRawText() : "";
        return null;
    }
}
