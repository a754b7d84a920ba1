namespace Marionette.AgentConfigs;

/// <summary>
/// A named set of what an agent needs: credential, model, address, environment, options. Key: <c>tenant/acfg_…</c>. Sessions read its row when their
/// runner attaches, so a change counts from the next attach on.
/// </summary>
[Alias("mn.agent-config.v1"), GrainInterfaceType("mn.agent-config")]
public interface IAgentConfigGrain : IGrainWithStringKey
{
    /// <summary>Makes it. Idempotent: one that is there stays as it is.</summary>
    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    [Alias("create")] Task<AgentConfigView> CreateAsync(AgentConfigChange command, CancellationToken cancellationToken = default);

    /// <summary>The configuration, without its secrets.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<AgentConfigView> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Changes the members that are given. The key goes to the address it was given for: another address needs it anew.</summary>
    /// <exception cref="MarionetteException">NotFound; Invalid, with every wrong field.</exception>
    [Alias("update")] Task<AgentConfigView> UpdateAsync(AgentConfigChange command, CancellationToken cancellationToken = default);

    /// <summary>Removes it.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("delete")] Task DeleteAsync(CancellationToken cancellationToken = default);
}

/// <summary>Which configuration sessions of an agent kind get that name none. Key: <c>tenant/KIND</c>. Calls go AgentConfig → AgentDefault.</summary>
[Alias("mn.agent-default.v1"), GrainInterfaceType("mn.agent-default")]
public interface IAgentDefaultGrain : IGrainWithStringKey
{
    /// <summary>This one from now on.</summary>
    [Alias("set")] Task SetAsync(string configId, CancellationToken cancellationToken = default);

    /// <summary>None, if it is this one.</summary>
    [Alias("clear")] Task ClearAsync(string configId, CancellationToken cancellationToken = default);

    /// <summary>Its id, or null.</summary>
    [Alias("view"), ReadOnly] ValueTask<string?> GetAsync(CancellationToken cancellationToken = default);
}
