using Marionette.Log;
using Marionette.Workspaces;
using Microsoft.Extensions.DependencyInjection;

namespace Marionette;

/// <summary>What the grains need from their host.</summary>
public static class GrainServices
{
    /// <summary>
    /// Adds the session log over the host's <c>NpgsqlDataSource</c>. The host adds providers, an <c>ISecretOpener</c>, a clock and the storage
    /// <see cref="StorageNames.State"/>.
    /// </summary>
    public static IServiceCollection AddMarionetteGrains(this IServiceCollection services)
    {
        services.AddSingleton<GroupCommitter>();
        services.AddHostedService(s => s.GetRequiredService<GroupCommitter>());
        services.AddSingleton<ISessionLog, PostgresSessionLog>();
        services.AddSingleton<IUsageReader, PostgresUsageReader>();
        services.AddSingleton<WorkspaceReader>();
        return services;
    }
}
