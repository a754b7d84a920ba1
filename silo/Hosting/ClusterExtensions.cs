using System.Net;
using System.Net.Sockets;
using Marionette.Silo.Database;
using Npgsql;
using Orleans.Configuration;
using Orleans.Dashboard;

namespace Marionette.Silo.Hosting;

/// <summary>Orleans on PostgreSQL: one data source for clustering, state and reminders.</summary>
internal static class ClusterExtensions
{
    private const string Invariant = "Npgsql";

    public static ISiloBuilder AddMarionetteCluster(this ISiloBuilder silo, SiloSettings settings, NpgsqlDataSource source)
    {
        silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (settings.ClusterId, "marionette"));
        silo.UseAdoNetClustering(o => (o.Invariant, o.DataSource) = (Invariant, source));
        silo.UseAdoNetReminderService(o => (o.Invariant, o.DataSource) = (Invariant, source));
        silo.AddAdoNetGrainStorage(StorageNames.State, o =>
        {
            (o.Invariant, o.DataSource) = (Invariant, source);
            o.GrainStorageSerializer = new JsonGrainStorageSerializer();
        });

        silo.Configure<EndpointOptions>(o =>
        {
            o.AdvertisedIPAddress = settings.Bind.Equals(IPAddress.Any) ? Dns.GetHostAddresses(Dns.GetHostName(), AddressFamily.InterNetwork)[0] : settings.Bind;
            (o.SiloPort, o.GatewayPort) = (FreePort(o.AdvertisedIPAddress), FreePort(o.AdvertisedIPAddress));
        });

        // A dead silo is noticed in about 3 s by its neighbours' probes, and a start does not wait long for rows of silos that died together. One that hangs
        // counts as alive for as many of the longest probes as may be missed, for its connections were in use a moment ago.
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            (o.ProbeTimeout, o.MaxProbeTimeout) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
            o.NumMissedProbesLimit = 3;
            o.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(2);
            o.NumMissedTableIAmAliveLimit = 3;
            o.MaxJoinAttemptTime = TimeSpan.FromMinutes(1);
            o.DefunctSiloCleanupPeriod = TimeSpan.FromHours(1);
            o.DefunctSiloExpiration = TimeSpan.FromDays(1);
        });

        // A time-out is an unknown outcome either way; commands carry their ids, so nothing is gained by a cancellation that may come too late.
        silo.Configure<SiloMessagingOptions>(o => (o.ResponseTimeout, o.CancelRequestOnTimeout) = (TimeSpan.FromSeconds(30), false));
        silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = TimeSpan.FromMinutes(5));
        silo.AddDashboard();
        return silo;
    }

    /// <summary>
    /// Silos find each other by the membership table, so their ports need not be known beforehand. Another process may take the port between
    /// here and the bind; the start then fails and is repeated by its supervisor.
    /// </summary>
    private static int FreePort(IPAddress address)
    {
        using var probe = new TcpListener(address, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
