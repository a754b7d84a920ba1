using Npgsql;
using Orleans.Configuration;

namespace Marionette.Gateway.Hosting;

/// <summary>A gateway of its own is a client of the cluster.</summary>
internal static class ClusterClientExtensions
{
    public const string ServiceId = "marionette";

    public static IHostApplicationBuilder AddMarionetteClusterClient(this IHostApplicationBuilder builder, NpgsqlDataSource database, string clusterId)
    {
        builder.UseOrleansClient(client =>
        {
            client.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (clusterId, ServiceId));
            client.UseAdoNetClustering(clustering => (clustering.Invariant, clustering.DataSource) = ("Npgsql", database));
            client.Configure<ClientMessagingOptions>(messaging =>
            {
                messaging.ResponseTimeout = TimeSpan.FromSeconds(30);
                // A command that the caller gave up may be done or not; canceling it at the silo would make neither certain.
                messaging.CancelRequestOnTimeout = false;
            });
            // After a restart of all silos they have new addresses, and the list is the only way to learn them.
            client.Configure<Orleans.Configuration.GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
            client.UseConnectionRetryFilter(async (_, token) =>
            {
                await Task.Delay(TimeSpan.FromSeconds(1), token);
                return true;
            });
        });
        // Kestrel answers health checks, and 503 to the rest, while the cluster is not there yet.
        builder.Services.Configure<HostOptions>(host => host.ServicesStartConcurrently = true);
        return builder;
    }
}
