using Marionette.Gateway.Auth;
using Marionette.Gateway.Grpc;
using Marionette.Gateway.Health;
using Marionette.Gateway.Hosting;
using Marionette.Gateway.Idempotency;
using Marionette.Gateway.Links;
using Marionette.Gateway.OpenApi;
using Marionette.Gateway.Pages;
using Marionette.Gateway.Problems;
using Marionette.Gateway.Rest;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Streams;
using Marionette.Gateway.Workspaces;
using Marionette.Gateway.Workspaces.Upkeep;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Marionette.Gateway;

/// <summary>Puts the gateway into a host: its own process, or the one in which a silo runs too.</summary>
public static class GatewayServices
{
    /// <summary>
    /// Adds what the gateway needs. The host provides an <see cref="IGrainFactory"/> and an <c>NpgsqlDataSource</c>, whose tables exist
    /// before the first request.
    /// </summary>
    public static IServiceCollection AddMarionetteGateway(this IServiceCollection services, GatewayOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.TryAddSingleton(options.MasterKey);
        services.TryAddSingleton<SecretSealer>();
        services.TryAddSingleton<ApiKeyStore>();
        services.AddSingleton<IdempotencyStore>();
        services.AddSingleton<StateReader>();
        services.AddSingleton<UsageReader>();
        services.AddSingleton<Api>();
        services.AddSingleton<PermissionLinks>();
        services.AddSingleton<EventStore>();
        services.AddSingleton<IEventStore>(provider => provider.GetRequiredService<EventStore>());
        services.AddSingleton<FeedHub>();
        services.AddHostedService(provider => provider.GetRequiredService<FeedHub>());
        services.AddHostedService<GatewayMaintenance>();
        services.AddSingleton<StreamResponse>();
        services.AddSingleton<SnapshotTable>();
        services.AddSingleton<ChunkStores>();
        services.AddSingleton<UpkeepTable>();
        services.AddSingleton<GitMirrorTable>();
        services.AddSingleton<GitMirrors>();
        services.AddSingleton<StoreUpkeep>();
        services.AddHostedService<UpkeepService>();
        services.AddSingleton<StoreQuota>();
        services.AddSingleton<SnapshotUploads>();
        services.AddSingleton<SessionOrigins>();
        services.AddSingleton<RunnerProofs>();
        services.AddRouting();
        services.AddMarionetteOpenApi();
        services.AddRunnerGrpc();
        return services;
    }

    /// <summary>Adds the gateway's routes, and in front of them authentication and the answers to errors.</summary>
    public static void MapMarionetteGateway(this WebApplication app)
    {
        app.UseMiddleware<ProblemMiddleware>();
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(10), KeepAliveTimeout = TimeSpan.FromSeconds(20) });
        app.UseMiddleware<AuthMiddleware>();
        SessionEndpoints.Map(app);
        TaskEndpoints.Map(app);
        PermissionEndpoints.Map(app);
        PermissionBulkEndpoints.Map(app);
        PermissionHookEndpoints.Map(app);
        PolicyEndpoints.Map(app);
        LinkEndpoints.Map(app);
        RunnerEndpoints.Map(app);
        CheckpointEndpoints.Map(app);
        SnapshotEndpoints.Map(app);
        StorageEndpoints.Map(app);
        UsageEndpoints.Map(app);
        KeyEndpoints.Map(app);
        ScheduleEndpoints.Map(app);
        AgentConfigEndpoints.Map(app);
        ProfileEndpoints.Map(app);
        ProviderEndpoint.Map(app);
        PoolEndpoints.Map(app);
        PoolTokenEndpoints.Map(app);
        HostEndpoints.Map(app);
        EventEndpoints.Map(app);
        LogEndpoints.Map(app);
        ProblemPages.Map(app);
        DocsPage.Map(app);
        HealthEndpoints.Map(app);
        app.MapOpenApi("/openapi.json");
        app.MapOpenApi("/openapi.yaml");
        app.MapRunnerGrpc();
    }
}
