using System.Net;
using System.Net.Sockets;
using Marionette.Silo.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Orleans.Configuration;

namespace Marionette.Cluster.Tests.Database;

/// <summary>
/// A silo in this process that keeps everything in the given database, through Orleans' own providers.
/// </summary>
internal sealed class StorageSilo : IAsyncDisposable
{
    /// <summary>
    /// Name of the storage provider that deletes a row where the default one leaves an empty document.
    /// </summary>
    public const string Deleting = "deleting";

    private readonly IHost host;

    private StorageSilo(IHost host) => this.host = host;

    public IServiceProvider Services => host.Services;

    public IGrainFactory Grains => host.Services.GetRequiredService<IGrainFactory>();

    public static async Task<StorageSilo> StartAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleans(silo => silo
            .UseAdoNetClustering(options => (options.Invariant, options.DataSource) = ("Npgsql", source))
            .UseAdoNetReminderService(options => (options.Invariant, options.DataSource) = ("Npgsql", source))
            .AddAdoNetGrainStorageAsDefault(options =>
            {
                (options.Invariant, options.DataSource) = ("Npgsql", source);
                options.GrainStorageSerializer = new JsonGrainStorageSerializer();
            })
            .AddAdoNetGrainStorage(Deleting, options =>
            {
                (options.Invariant, options.DataSource) = ("Npgsql", source);
                options.GrainStorageSerializer = new JsonGrainStorageSerializer();
                options.DeleteStateOnClear = true;
            })
            .Configure<ReminderOptions>(options => options.MinimumReminderPeriod = TimeSpan.FromMilliseconds(100))
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("test", "test"))
            .Configure<ClusterMembershipOptions>(options =>
            {
                // A killed neighbour is found within seconds. Orleans sweeps when the membership changes, so for the
                // row
                // to go with that change the time it is kept must be next to nothing.
                (options.ProbeTimeout, options.NumMissedProbesLimit) = (TimeSpan.FromMilliseconds(500), 2);
                options.DefunctSiloCleanupPeriod = TimeSpan.FromSeconds(1);
                options.DefunctSiloExpiration = options.DefunctSiloMinimumRetention = TimeSpan.FromMilliseconds(1);
            })
            .ConfigureEndpoints(IPAddress.Loopback, FreePort(), FreePort()));
        var host = builder.Build();
        await host.StartAsync(cancellationToken);
        return new StorageSilo(host);
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }
}
