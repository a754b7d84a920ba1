using System.Text.Json;
using Marionette.Json;
using Marionette.Log;

namespace Marionette.AgentConfigs;

/// <summary>Configurations as sessions read them: from their rows, which are the truth, without a call that could close a cycle.</summary>
internal static class AgentConfigRows
{
    private static readonly GrainsJsonContext Json = GrainsJsonContext.Default;

    /// <summary>A configuration with its sealed secrets; null when it is not there.</summary>
    public static async Task<AgentConfigRecord?> ReadAsync(ISessionLog log, string tenant, string id, CancellationToken cancellationToken) =>
        await log.ReadRowAsync("agent_config", GrainKeys.Of(tenant, id), cancellationToken) is { } row
            ? JsonSerializer.Deserialize(row, Json.AgentConfigRecord)
            : null;

    /// <summary>The tenant's default for an agent kind, or null.</summary>
    public static async Task<string?> DefaultAsync(ISessionLog log, string tenant, string agent, CancellationToken cancellationToken) =>
        await log.ReadRowAsync("agent_default", GrainKeys.Of(tenant, agent), cancellationToken) is { } row
            ? JsonSerializer.Deserialize(row, Json.AgentDefaultView)?.ConfigId
            : null;
}
