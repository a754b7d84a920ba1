using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>What a fork has of the session that it comes from, where the request does not say otherwise. Never a secret: neither key, variables nor options.</summary>
internal static class ForkRules
{
    /// <summary>A fork is asked for permission as its source is, and what is denied or asked there is denied or asked here. What was allowed for good was allowed to the source alone.</summary>
    /// <param name="session">The fork's id.</param>
    public static CreateSession WithPolicy(CreateSession command, SessionView source, string session)
    {
        var rules = source.PermissionRules.Where(rule => rule.Effect != PolicyEffect.Allow)
            .Select((rule, i) => rule with { Id = $"pol_{session[(session.IndexOf('_') + 1)..]}-f{i}", Scope = "session" });
        return command with
        {
            PermissionPolicy = command.PermissionPolicy ?? source.PermissionPolicy,
            PermissionRules = [.. rules, .. command.PermissionRules.IsDefault ? [] : command.PermissionRules],
        };
    }

    /// <exception cref="MarionetteException">Invalid: the source has a key or options of its own, and the request names none.</exception>
    public static CreateSessionModel Complete(CreateSessionModel model, SessionView source)
    {
        var isSameAgent = model.Agent is null || model.Agent == source.Agent;
        var errors = new FieldErrors();
        if (isSameAgent && source.EnvNames.Length > 0 && model.Env is null)
            errors.Add("env", $"must be given, {{}} for none: variables are not copied ({string.Join(", ", source.EnvNames)})");
        if (isSameAgent && source.OptionNames.Length > 0 && model.Options is null)
            errors.Add("options", $"must be given, {{}} for none: options are not copied ({string.Join(", ", source.OptionNames)})");
        if (isSameAgent && source.IsByok && source.AgentConfigId is null && source.EnvNames.IsEmpty && source.OptionNames.IsEmpty && source.Origin?.Git?.User is null && model.ApiKey is null && model.AgentConfigId is null)
            errors.Add("api_key", "must be given: keys are not copied");
        errors.ThrowIfAny();
        return new CreateSessionModel
        {
            From = model.From,
            Agent = model.Agent ?? source.Agent,
            Name = model.Name ?? (source.Name is { } name ? $"{name[..Math.Min(name.Length, 190)]} (fork)" : null),
            ApiKey = model.ApiKey,
            Model = model.Model ?? (isSameAgent ? source.Model : null),
            BaseUrl = model.BaseUrl ?? (isSameAgent ? source.BaseUrl : null),
            Env = model.Env,
            Labels = model.Labels ?? source.Labels.ToDictionary(label => label.Key, string? (label) => label.Value),
            AgentConfigId = model.AgentConfigId ?? (isSameAgent && model.ApiKey is null ? source.AgentConfigId : null),
            WorkspaceId = model.WorkspaceId,
            ProfileId = model.ProfileId ?? source.ProfileId,
            Provider = model.Provider ?? source.Provider,
            LifecycleMode = model.LifecycleMode ?? source.LifecycleMode,
            IdleTimeoutSeconds = model.IdleTimeoutSeconds ?? source.IdleTimeoutSeconds,
            SuspendStrategy = model.SuspendStrategy ?? (model.Provider is null || model.Provider == source.Provider ? source.SuspendStrategy : null),
            NetworkPolicy = model.NetworkPolicy ?? source.NetworkPolicy,
            AllowedHosts = model.AllowedHosts ?? (model.NetworkPolicy is null ? [.. source.AllowedHosts] : null),
            PermissionMode = model.PermissionMode ?? source.PermissionMode,
            PermissionTimeoutSeconds = model.PermissionTimeoutSeconds ?? (source.PermissionTimeoutSeconds > 0 ? source.PermissionTimeoutSeconds : null),
            PermissionPolicy = model.PermissionPolicy,
            IncludeRaw = model.IncludeRaw,
            Command = model.Command ?? (isSameAgent && !source.Command.IsDefaultOrEmpty ? [.. source.Command] : null),
            Options = model.Options,
            Budget = model.Budget,
            AutoContinue = model.AutoContinue ?? source.AutoContinue,
            TtlSeconds = model.TtlSeconds,
            FailoverPolicy = model.FailoverPolicy ?? source.FailoverPolicy,
        };
    }
}
