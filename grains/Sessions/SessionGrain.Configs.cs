using System.Collections.Immutable;
using Marionette.AgentConfigs;

namespace Marionette.Sessions;

/// <content>
/// The session's agent configuration. Its row is read, never its grain called: at creation for the model, which the session keeps, and at each
/// attach for the rest, so that a changed key counts from the next attach on.
/// </content>
internal sealed partial class SessionGrain
{
    /// <exception cref="MarionetteException">Invalid: there is no such configuration, or it does not fit.</exception>
    private async Task<CreateSession> WithConfigAsync(CreateSession command, CancellationToken cancellationToken)
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

    private string? OwnKey(CreateSession command) => command.Secrets is { } box ? secretOpener.Open(_tenant, _id, box).ApiKey : null;

    private static MarionetteException Wrong(string field, string message) => new(ImmutableArray.Create(new FieldError(field, message)));
}
