using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Permissions;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>What a new session may ask for. Everything is checked before anything is done.</summary>
internal static class SessionRules
{
    private const int MaxEnv = 100, MaxEnvValue = 32 * 1024, MaxEnvTotal = 256 * 1024, MaxCommandTotal = 16 * 1024, MaxOptions = 1024 * 1024, MaxRules = 50;
    private const int SevenDays = 7 * 24 * 3600, ThirtyDays = 30 * 24 * 3600, MinTtl = 60, Year = 365 * 24 * 3600;

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static CreateSession Check(CreateSessionModel body, string tenant, string sessionId, SecretSealer sealer)
    {
        var errors = new FieldErrors();
        var agent = body.Agent ?? "";
        if (!AgentCatalog.Names.Contains(agent)) errors.Add("agent", $"must be one of {string.Join(", ", AgentCatalog.Names)}");
        var command = Command(errors, body.Command, agent);
        var env = Env(errors, body.Env);
        CheckApiKey(errors, body.ApiKey);
        // Without a word of the session, its profile's holds, and "open" without a profile; the grain knows.
        var policy = body.NetworkPolicy is null ? "" : NetworkTargets.Policy(errors, body.NetworkPolicy);
        var created = new CreateSession(
            Name: errors.Text("name", body.Name, 200),
            Agent: agent,
            Model: NotEmpty(errors, "model", errors.Text("model", body.Model, 200)),
            BaseUrl: BaseUrl(errors, body.BaseUrl),
            Secrets: null,
            EnvNames: [.. env.Keys.Order(StringComparer.Ordinal)],
            WorkspaceId: errors.Id("workspace_id", body.WorkspaceId, EntityId.Workspace),
            ProfileId: errors.Id("profile_id", body.ProfileId, EntityId.Profile),
            AgentConfigId: Reference(errors, "agent_config_id", body.AgentConfigId),
            LifecycleMode: errors.Choice("lifecycle_mode", body.LifecycleMode, "on_demand", "on_demand", "persistent"),
            IdleTimeoutSeconds: body.IdleTimeoutSeconds is { } idle ? errors.Number("idle_timeout_seconds", idle, 1, ThirtyDays, idle) : null,
            NetworkPolicy: policy,
            AllowedHosts: NetworkTargets.Check(errors, body.AllowedHosts, policy),
            Labels: errors.Labels("labels", body.Labels),
            PermissionMode: errors.Choice("permission_mode", body.PermissionMode, "default", "default", "acceptEdits", "plan", "bypassPermissions"),
            PermissionTimeoutSeconds: errors.Number("permission_timeout_seconds", body.PermissionTimeoutSeconds, 1, SevenDays, 1800),
            IncludeRaw: body.IncludeRaw ?? false,
            Command: command,
            OptionNames: Options(errors, body.Options),
            Budget: BudgetRules.Check(errors, "budget", body.Budget),
            AutoContinue: body.AutoContinue ?? false,
            Provider: Reference(errors, "provider", body.Provider))
        {
            PermissionPolicy = body.PermissionPolicy is { } terms ? PolicyRules.Terms(errors, terms, "permission_policy.") : null,
            PermissionRules = OwnRules(errors, body.PermissionPolicy?.Rules, sessionId),
            TtlSeconds = body.TtlSeconds is { } ttl ? errors.Number("ttl_seconds", ttl, MinTtl, Year, ttl) : null,
            FailoverPolicy = FailoverOf(errors, body.FailoverPolicy),
            SuspendStrategy = Strategy(errors, "suspend_strategy", body.SuspendStrategy),
            Origin = body.From?.Git is { } git ? new SessionOrigin("", null, 0, 0) { Git = GitRules.Check(errors, git) } : null,
        };
        if (body.From is not null && body.WorkspaceId is not null) errors.Add("from", "goes with a new workspace only: leave workspace_id out");
        errors.ThrowIfAny();
        var secret = body.From?.Git?.Secret;
        if (body.ApiKey is null && env.IsEmpty && body.Options is null && secret is null) return created;
        return created with { Secrets = sealer.Seal(tenant, sessionId, new SessionSecrets(body.ApiKey, env, body.Options, secret)) };
    }

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static ChangeSession Check(ChangeSessionModel body, string by)
    {
        var errors = new FieldErrors();
        if (body.PermissionMode is not null) errors.Choice("permission_mode", body.PermissionMode, "default", "default", "acceptEdits", "plan", "bypassPermissions");
        var change = new ChangeSession(
            by, errors.Text("name", body.Name, 200), body.Labels is null ? null : errors.Labels("labels", body.Labels), errors.Text("model", body.Model, 200),
            body.PermissionMode, BudgetRules.Check(errors, "budget", body.Budget), body.AutoContinue, Network(errors, body))
        {
            Provider = errors.Text("provider", body.Provider, 64), FailoverPolicy = FailoverOf(errors, body.FailoverPolicy),
            SuspendStrategy = Strategy(errors, "suspend_strategy", body.SuspendStrategy),
        };
        errors.ThrowIfAny();
        return change;
    }

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static ExtendSession Check(ExtendSessionModel body, string commandId, string by)
    {
        var errors = new FieldErrors();
        var never = body.Never == true;
        if ((body.Seconds is null ? 0 : 1) + (body.ExpiresAt is null ? 0 : 1) + (never ? 1 : 0) != 1) errors.Add("seconds", "give exactly one of seconds, expires_at and never");
        if (body.Seconds is { } seconds) errors.Number("seconds", seconds, MinTtl, Year, seconds);
        DateTimeOffset? until = null;
        if (body.ExpiresAt is { } text)
        {
            if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)) until = time;
            else errors.Add("expires_at", "must be a time like 2027-01-31T00:00:00Z");
        }

        errors.ThrowIfAny();
        return new ExtendSession(commandId, by, body.Seconds, until, never);
    }

    private static string? FailoverOf(FieldErrors errors, string? policy) =>
        policy is null ? null : errors.Choice("failover_policy", policy, Failover.AtOnce, Failover.AtOnce, Failover.Ask, Failover.Never);

    /// <returns>The command; its reason is empty where none was given.</returns>
    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static SuspendSession CheckSuspend(ReadOnlyMemory<byte> body)
    {
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.SuspendSessionModel, new SuspendSessionModel());
        var errors = new FieldErrors();
        var reason = errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        var strategy = Strategy(errors, "strategy", model.Strategy);
        errors.ThrowIfAny();
        return new SuspendSession(string.IsNullOrWhiteSpace(reason) ? "" : reason, strategy);
    }

    private static string? Strategy(FieldErrors errors, string field, string? strategy) =>
        strategy is null ? null : errors.Choice(field, strategy, SuspendStrategies.Release, SuspendStrategies.Release, SuspendStrategies.Pause);

    private static NetworkChange? Network(FieldErrors errors, ChangeSessionModel body)
    {
        if (body.NetworkPolicy is null && body.AllowedHosts is null) return null;
        var policy = body.NetworkPolicy is null ? null : NetworkTargets.Policy(errors, body.NetworkPolicy);
        return new NetworkChange(policy, body.AllowedHosts is null ? default : NetworkTargets.Check(errors, body.AllowedHosts, policy ?? ""));
    }

    private static ImmutableArray<string> Options(FieldErrors errors, JsonElement? options)
    {
        if (options is not { } given) return [];
        if (given.ValueKind != JsonValueKind.Object) errors.Add("options", "must be an object");
        else if (FieldErrors.Utf8Length(given.GetRawText()) > MaxOptions) errors.Add("options", $"must have at most {MaxOptions} bytes");
        else return [.. given.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal)];
        return [];
    }

    private static ImmutableArray<PolicyRule> OwnRules(FieldErrors errors, List<RuleModel?>? rules, string sessionId)
    {
        var own = PolicyRules.CheckAll(errors, rules, "permission_policy.rules", MaxRules);
        // Their ids follow from the session's, so that a repeat of the request makes the same session.
        return own.IsDefault ? default : [.. own.Select((rule, i) => rule with { Id = $"pol_{sessionId[(sessionId.IndexOf('_') + 1)..]}-{i}", Scope = "session" })];
    }

    private static ImmutableArray<string> Command(FieldErrors errors, List<string?>? argv, string agent)
    {
        if (agent is not (AgentCatalog.Command or AgentCatalog.Acp))
        {
            if (argv is not null) errors.Add("command", "goes with the agents \"command\" and \"acp\" only");
            return [];
        }
        if (argv is null && agent == AgentCatalog.Acp) return []; // the agent's options may name one that the runner knows
        if (argv is null or [] || argv[0] is null or "") errors.Add("command", "must be a program and its arguments");
        else if (argv.Count > 100) errors.Add("command", "must have at most 100 elements");
        else if (argv.Any(part => part is null || part.Contains('\0'))) errors.Add("command", "must hold text without U+0000");
        else if (argv.Sum(part => FieldErrors.Utf8Length(part!)) > MaxCommandTotal) errors.Add("command", $"must have at most {MaxCommandTotal} bytes in all");
        else return [.. argv!];
        return [];
    }

    internal static ImmutableDictionary<string, string> Env(FieldErrors errors, Dictionary<string, string?>? env)
    {
        var result = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        if (env is null) return result.ToImmutable();
        if (env.Count > MaxEnv) errors.Add("env", $"must have at most {MaxEnv} entries");
        var total = 0;
        foreach (var (name, value) in env)
        {
            // Values never come back in an answer, not even in one that refuses them.
            if (!IsEnvName(name)) errors.Add("env", "names must match [A-Za-z_][A-Za-z0-9_]* and have at most 128 characters");
            else if (name is "HOME" or "PATH" || name.StartsWith("MARIONETTE_", StringComparison.Ordinal)) errors.Add($"env.{name}", "is set by the runner and cannot be given");
            else if (value is null || value.Contains('\0')) errors.Add($"env.{name}", "must be text without U+0000");
            else if (FieldErrors.Utf8Length(value) is var bytes && (total += bytes) > MaxEnvTotal) errors.Add("env", $"must have at most {MaxEnvTotal} bytes in all");
            else if (bytes > MaxEnvValue) errors.Add($"env.{name}", $"must have at most {MaxEnvValue} bytes");
            else result[name] = value;
        }
        return result.ToImmutable();
    }

    private static bool IsEnvName(string name)
    {
        if (name.Length is 0 or > 128 || !(char.IsAsciiLetter(name[0]) || name[0] == '_')) return false;
        foreach (var c in name) if (!char.IsAsciiLetterOrDigit(c) && c != '_') return false;
        return true;
    }

    internal static void CheckApiKey(FieldErrors errors, string? key)
    {
        if (key is null) return;
        if (key.Length is 0 or > 4096) errors.Add("api_key", "must have 1 to 4096 characters");
        else foreach (var c in key) if (c is <= ' ' or > '~') { errors.Add("api_key", "must be printable ASCII without blanks"); return; }
    }

    internal static string? BaseUrl(FieldErrors errors, string? url)
    {
        if (url is null) return null;
        if (url.Length > 2000 || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0)
            errors.Add("base_url", "must be an absolute http or https address");
        else if (uri.UserInfo.Length > 0 || url.Contains('@')) errors.Add("base_url", "must not hold a user or a password");
        else if (url.Any(c => c is <= ' ' or > '~')) errors.Add("base_url", "must be printable ASCII without blanks");
        return url;
    }

    private static string? Reference(FieldErrors errors, string field, string? id)
    {
        if (id is not null && (id.Length is 0 or > 64 || !id.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))) errors.Add(field, "must be an id");
        return id;
    }

    private static string? NotEmpty(FieldErrors errors, string field, string? text)
    {
        if (text is "") errors.Add(field, "must not be empty");
        return text;
    }
}
