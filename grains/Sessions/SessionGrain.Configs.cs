using System.Collections.Immutable;
using Marionette.AgentConfigs;
using Marionette.Profiles;
using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>
/// The session's agent configuration. Its row is read, never its grain called: at creation for the model, which the session keeps, and at each
/// attach for the rest, so that a changed key counts from the next attach on.
/// </content>
internal sealed partial class SessionGrain
{
    /// <exception cref="MarionetteException">Invalid: there is no such configuration, or it does not fit.</exception>
    private async Task<CreateSession> WithConfigAsync(CreateSession command, CancellationToken cancellationToken) =>
        await WithAgentConfigAsync(await WithProfileAsync(command, cancellationToken), cancellationToken);

    private async Task<CreateSession> WithProfileAsync(CreateSession command, CancellationToken cancellationToken)
    {
        if (_state.Exists) return command;
        var profile = command.ProfileId is not { } id ? null
            : await ProfileRows.ReadAsync(log, _tenant, id, cancellationToken) ?? throw Wrong("profile_id", "there is no such profile");
        command = command with { Provider = command.Provider ?? profile?.Provider };
        if (command.Provider is { } name && providers.All(provider => provider.Name != name))
            throw Wrong("provider", $"must be one of {string.Join(", ", providers.Select(provider => provider.Name))}");
        // A policy that the session names goes before the profile's, with its hosts.
        if (command.NetworkPolicy.Length > 0) return command;
        return command with { NetworkPolicy = profile?.NetworkPolicy ?? "open", AllowedHosts = profile is null ? command.AllowedHosts : profile.AllowedHosts.AddRange(Or(command.AllowedHosts)) };
    }

    private static ImmutableArray<string> Or(ImmutableArray<string> array) => array.IsDefault ? [] : array;

    private async Task<CreateSession> WithAgentConfigAsync(CreateSession command, CancellationToken cancellationToken)
    {
        if (_state.Exists || command.AgentConfigId is not { } id) return command;
        var config = await AgentConfigRows.ReadAsync(log, _tenant, id, cancellationToken)
            ?? throw Wrong("agent_config_id", "there is no such agent configuration");
        if (config.Agent != command.Agent) throw Wrong("agent_config_id", $"is for the agent {config.Agent}, not {command.Agent}");
        if (command.BaseUrl is not null && command.BaseUrl != config.BaseUrl && config.HasApiKey && OwnKey(command) is null)
            throw Wrong("base_url", "needs an api_key beside it: the key of the agent configuration goes to its own address alone");
        return command with { Model = command.Model ?? config.Model };
    }

    /// <summary>What the agent gets. A configuration that is gone ends the session: without its key nothing would ever run.</summary>
    private async Task<AgentSetup> SetupAsync(CancellationToken cancellationToken)
    {
        var own = _secrets is null ? null : secretOpener.Open(_tenant, _id, _secrets);
        if (_state.View.AgentConfigId is not { } id) return AgentSetup.Of(_state.View, own, null, (_, _) => throw new InvalidOperationException());
        if (await AgentConfigRows.ReadAsync(log, _tenant, id, cancellationToken) is { } config)
            return AgentSetup.Of(_state.View, own, config, (box, purpose) => secretOpener.OpenConfig(_tenant, id, box, purpose));
        var reason = $"Its agent configuration {id} was removed.";
        await CommitAsync(SessionMachine.Fail(_state, "agent_config_missing", reason, Context()), cancellationToken);
        throw new MarionetteException(FaultCode.Fenced, reason);
    }

    /// <summary>What its runner may reach: the session's list, and the model's API, without which no agent works.</summary>
    private async Task<NetworkRules> NetworkAsync()
    {
        var view = _state.View;
        var baseUrl = view.BaseUrl;
        if (baseUrl is null && view.AgentConfigId is { } id && await AgentConfigRows.ReadAsync(log, _tenant, id, CancellationToken.None) is { } config)
            baseUrl = config.BaseUrl;
        return new NetworkRules(view.NetworkPolicy, [.. view.NetworkPolicy == "deny" ? [] : view.AllowedHosts, .. ModelHosts.Of(view.Agent, baseUrl)]);
    }

    /// <summary>The profile as it is now; a session whose profile was removed gets no runner.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    private async Task<RunnerShape> ShapeAsync()
    {
        if (_state.View.ProfileId is not { } id) return new RunnerShape();
        var profile = await ProfileAsync(CancellationToken.None);
        return profile?.Shape ?? throw new MarionetteException(FaultCode.NotFound, $"Its profile {id} was removed.");
    }

    private async Task<ProfileView?> ProfileAsync(CancellationToken cancellationToken) =>
        _state.View.ProfileId is { } id ? await ProfileRows.ReadAsync(log, _tenant, id, cancellationToken) : null;

    private string? OwnKey(CreateSession command) => command.Secrets is { } box ? secretOpener.Open(_tenant, _id, box).ApiKey : null;

    private static MarionetteException Wrong(string field, string message) => new(ImmutableArray.Create(new FieldError(field, message)));
}
