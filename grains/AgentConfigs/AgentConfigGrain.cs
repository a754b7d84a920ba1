using System.Collections.Immutable;

namespace Marionette.AgentConfigs;

/// <summary>Keeps one configuration. It never opens a box.</summary>
[GrainType("agent-config")]
internal sealed class AgentConfigGrain(
    [PersistentState("agent_config", StorageNames.State)] IPersistentState<AgentConfigRecord> row, TimeProvider clock) : Grain, IAgentConfigGrain
{
    public async Task<AgentConfigView> CreateAsync(AgentConfigChange command, CancellationToken cancellationToken)
    {
        var (_, id) = GrainKeys.Split(this.GetPrimaryKeyString());
        var now = clock.GetUtcNow();
        if (!row.RecordExists) await WriteAsync(Apply(new AgentConfigRecord { Id = id, Agent = command.Agent ?? "", CreatedAt = now }, command, now));
        // Also for a repeat: the first call may have died between the two.
        await SetDefaultAsync(command.IsDefault);
        return row.State.ToView();
    }

    public ValueTask<AgentConfigView> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Known().ToView());

    public async Task<AgentConfigView> UpdateAsync(AgentConfigChange command, CancellationToken cancellationToken)
    {
        var before = Known();
        if (command.Agent is not null && command.Agent != before.Agent) throw Wrong("agent", $"is {before.Agent} and cannot be changed: make another configuration");
        var changed = Apply(before, command, clock.GetUtcNow());
        // Whoever may change the address must not thereby get the key.
        if (changed.BaseUrl != before.BaseUrl && before.Credential is not null && command.Credential is null)
            throw Wrong("api_key", "must be given again with another base_url: the stored key is for the old one");
        await WriteAsync(changed);
        await SetDefaultAsync(command.IsDefault);
        return changed.ToView();
    }

    public async Task DeleteAsync(CancellationToken cancellationToken)
    {
        var record = Known();
        await DefaultOf(record.Agent).ClearAsync(record.Id, cancellationToken);
        await row.ClearStateAsync(cancellationToken);
        DeactivateOnIdle();
    }

    private static AgentConfigRecord Apply(AgentConfigRecord s, AgentConfigChange c, DateTimeOffset now) => s with
    {
        Name = c.Name ?? s.Name,
        Model = Or(c.Model, s.Model),
        BaseUrl = Or(c.BaseUrl, s.BaseUrl),
        Credential = c.Credential is null ? s.Credential : c.Credential.Box.Length == 0 ? null : c.Credential,
        HasApiKey = c.Credential is null ? s.HasApiKey : c.Credential.Box.Length > 0,
        KeyChangedAt = c.Credential is null ? s.KeyChangedAt : now,
        Env = c.Env is null ? s.Env : c.Env.Box.Length == 0 ? null : c.Env,
        EnvNames = c.Env is null ? s.EnvNames : c.EnvNames.IsDefault ? [] : c.EnvNames,
        Options = c.Options is null ? s.Options : c.Options.Box.Length == 0 ? null : c.Options,
        OptionNames = c.Options is null ? s.OptionNames : c.OptionNames.IsDefault ? [] : c.OptionNames,
        Extra = Or(c.Extra, s.Extra),
        Labels = c.Labels ?? s.Labels,
        Annotations = c.Annotations ?? s.Annotations,
        UpdatedAt = now,
    };

    private static string? Or(string? change, string? old) => change is null ? old : change.Length == 0 ? null : change;

    private static MarionetteException Wrong(string field, string message) => new(ImmutableArray.Create(new FieldError(field, message)));

    private AgentConfigRecord Known() =>
        row.RecordExists ? row.State : throw new MarionetteException(FaultCode.NotFound, "There is no such agent configuration.");

    private Task SetDefaultAsync(bool? isDefault) => isDefault switch
    {
        true => DefaultOf(row.State.Agent).SetAsync(row.State.Id),
        false => DefaultOf(row.State.Agent).ClearAsync(row.State.Id),
        _ => Task.CompletedTask,
    };

    private IAgentDefaultGrain DefaultOf(string agent) =>
        GrainFactory.GetGrain<IAgentDefaultGrain>(GrainKeys.Of(GrainKeys.Split(this.GetPrimaryKeyString()).Tenant, agent));

    private async Task WriteAsync(AgentConfigRecord record)
    {
        var kept = row.State;
        row.State = record;
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = kept;
            DeactivateOnIdle();
            throw;
        }
    }
}

/// <summary>Which configuration is the default: one row says it, so that there are never two.</summary>
[GrainType("agent-default")]
internal sealed class AgentDefaultGrain(
    [PersistentState("agent_default", StorageNames.State)] IPersistentState<AgentDefaultView> row) : Grain, IAgentDefaultGrain
{
    public Task SetAsync(string configId, CancellationToken cancellationToken) => WriteAsync(configId);

    public Task ClearAsync(string configId, CancellationToken cancellationToken) => Current == configId ? WriteAsync(null) : Task.CompletedTask;

    public ValueTask<string?> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(Current);

    private string? Current => row.RecordExists ? row.State.ConfigId : null;

    private async Task WriteAsync(string? configId)
    {
        if (Current == configId) return;
        var kept = row.State;
        row.State = new AgentDefaultView(configId);
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = kept;
            DeactivateOnIdle();
            throw;
        }
    }
}
