using Marionette.Gateway;
using Marionette.Gateway.Hosting;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Workspaces;
using Marionette.Permissions;
using Marionette.Pools;
using Marionette.Providers;
using Marionette.Providers.Docker;
using Marionette.Providers.Processes;
using Marionette.Sessions;
using Marionette.Silo.Database;
using Npgsql;

namespace Marionette.Silo.Hosting;

/// <summary>Wires a silo, and the gateway beside it where it is asked for, into one application.</summary>
internal static class SiloApplication
{
    public static WebApplication Build(SiloSettings settings, NpgsqlDataSource source)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders().AddMarionetteConsole();
        builder.Host.ConfigureHostOptions(host => host.ShutdownTimeout = TimeSpan.FromSeconds(60));

        var ports = new BoundPorts(settings);
        var services = builder.Services;
        services.AddSingleton(ports).AddSingleton(source).AddSingleton(TimeProvider.System);
        services.AddOptions<Sessions.SessionOptions>().Bind(builder.Configuration.GetSection("Marionette:Sessions"));
        // Before Orleans, so that it stops after it: a grain's last append still finds its committer.
        services.AddMarionetteGrains();
        services.AddHostedService<PartitionMaintenance>();

        var masterKey = MasterKey.LoadOrCreate(settings.DataDirectory, builder.Configuration["MARIONETTE_MASTER_KEY"]);
        services.AddSingleton<ISecretOpener>(new SecretOpener(new SecretSealer(masterKey)));
        services.AddSingleton<IApprovalHookCaller>(s => new ApprovalHookCaller(new SecretSealer(masterKey), s.GetRequiredService<TimeProvider>(), settings.AllowPrivateHooks));
        services.AddMarionettePools(builder.Configuration, settings.Pools);
        foreach (var name in (string[])["process", "docker", .. settings.Pools])
            services.AddOptions<ProviderOptions>(name).Bind(builder.Configuration.GetSection($"Marionette:Providers:{name}"));
        services.AddSingleton<IRunnerProvider>(s => new ProcessProvider(
            new ProcessProviderOptions
            {
                DataDirectory = settings.DataDirectory,
                AgentBinary = settings.AgentBinary,
                ServerUrl = () => settings.RunnerUrl ?? ports.GrpcUrl,
                // The file names this process' own port: a given address goes before it.
                EndpointsFile = settings.HasGateway && settings.RunnerUrl is null ? settings.EndpointsFile : null,
                ToolsPath = settings.ToolsPath,
            },
            s.GetRequiredService<TimeProvider>()));

        if (settings.Docker.Host is not null)
        {
            services.AddSingleton<IRunnerProvider>(s => new DockerProvider(
                settings.Docker.ToOptions(settings.ClusterId, () => settings.RunnerUrl ?? ports.GrpcUrl), s.GetRequiredService<TimeProvider>()));
        }

        builder.Host.UseOrleans(silo => silo.AddMarionetteCluster(settings, source));
        services.AddMarionetteTelemetry(builder.Configuration);
        if (settings.HasGateway)
        {
            services.AddMarionetteGateway(new GatewayOptions
            {
                MasterKey = masterKey, PublicUrl = settings.PublicUrl, ChunkStore = settings.Chunks, ChunkKeys = settings.ChunkKeys, Keeping = KeepingOf(builder.Configuration),
            });
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (settings.HasGateway) kestrel.ListenForMarionette(settings.Bind, settings.ApiPort, settings.GrpcPort);
            kestrel.Listen(settings.Bind, settings.AdminPort);
        });

        var app = builder.Build();
        app.UseAdminPort();
        app.MapMarionetteAdmin();
        if (settings.HasGateway) app.MapMarionetteGateway();
        return app;
    }

    private static KeepingOptions KeepingOf(IConfiguration configuration)
    {
        try
        {
            return KeepingOptions.From(configuration);
        }
        catch (FormatException e)
        {
            throw new StartException(e.Message, e);
        }
    }
}
