using System.Net;
using Marionette.Silo.Database;
using Marionette.Silo.Database.Embedded;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Configuration;

// Says `ready …` on its output when it is up, and ends in order when its input ends. See HostProcess in the tests.
switch (args)
{
    case ["postgres", var folder]:
        await using (var server = await EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions { DataDirectory = folder, SharedBuffersMb = 32 },
            NullLogger.Instance, TimeProvider.System))
        {
            Console.WriteLine($"ready {server.PostmasterPid} {server.ConnectionString}");
            await Console.In.ReadToEndAsync();
        }

        return 0;

    case ["silo", var connectionString, var siloPort, var gatewayPort]:
        await using (var source = MarionetteDataSource.Create(connectionString))
        {
            var builder = Host.CreateApplicationBuilder();
            builder.UseOrleans(silo => silo
                .UseAdoNetClustering(options => (options.Invariant, options.DataSource) = ("Npgsql", source))
                .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("test", "test"))
                .Configure<ClusterMembershipOptions>(options =>
                    (options.ProbeTimeout, options.NumMissedProbesLimit) = (TimeSpan.FromMilliseconds(500), 2))
                .ConfigureEndpoints(IPAddress.Loopback, int.Parse(siloPort), int.Parse(gatewayPort)));
            using var host = builder.Build();
            await host.StartAsync();
            Console.WriteLine("ready");
            await Console.In.ReadToEndAsync();
            await host.StopAsync();
        }

        return 0;

    default:
        Console.Error.WriteLine("usage: postgres FOLDER | silo CONNECTION-STRING SILO-PORT GATEWAY-PORT");
        return 64;
}
