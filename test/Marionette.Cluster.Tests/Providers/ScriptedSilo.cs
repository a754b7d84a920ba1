using System.Collections.Concurrent;
using System.Net;
using Marionette.Cluster.Tests.Database;
using Marionette.Permissions;
using Marionette.Providers;
using Marionette.Sessions;
using Marionette.Silo.Database;
using Marionette.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace Marionette.Cluster.Tests.Providers;

/// <summary>A real silo and database, over a backend that does as it is told.</summary>
public abstract class ScriptedSilo(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private IHost? _host;

    private protected ScriptedProvider Backend { get; } = new("scripted");

    private protected ProviderOptions Options { get; } = new();

    /// <summary>How the sessions of the next start behave.</summary>
    private protected Action<SessionOptions> Behave { get; set; } = _ => { };

    /// <summary>Names of the warnings that were logged.</summary>
    private protected ConcurrentQueue<string> Warnings { get; } = new();

    private protected IServiceProvider Services => _host!.Services;

    private protected IGrainFactory Grains => Services.GetRequiredService<IGrainFactory>();

    private protected IProviderGrain Provider => Grains.GetGrain<IProviderGrain>("scripted");

    public override async ValueTask DisposeAsync()
    {
        if (_host is not null) await StopAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task StopAsync()
    {
        await _host!.StopAsync(CancellationToken.None);
        _host.Dispose();
        _host = null;
    }

    private protected async Task StartAsync()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddProvider(new Heard(Warnings));
        builder.Services.AddSingleton(Source).AddSingleton(TimeProvider.System).AddMarionetteGrains();
        builder.Services.AddSingleton<IRunnerProvider>(Backend).AddSingleton<IRunnerProvider>(new ScriptedProvider("plain", canPause: false))
            .AddSingleton<ISecretOpener, NoSecrets>().AddSingleton<IApprovalHookCaller, NoHooks>();
        builder.Services.AddOptions<ProviderOptions>("scripted").Configure(options =>
        {
            (options.MaxRunners, options.StartPatience) = (Options.MaxRunners, Options.StartPatience);
            options.Warm.AddRange(Options.Warm);
        });
        builder.Services.Configure(Behave);
        builder.UseOrleans(silo => silo
            .UseAdoNetClustering(options => (options.Invariant, options.DataSource) = ("Npgsql", Source))
            .UseAdoNetReminderService(options => (options.Invariant, options.DataSource) = ("Npgsql", Source))
            .AddAdoNetGrainStorage(StorageNames.State, options =>
            {
                (options.Invariant, options.DataSource) = ("Npgsql", Source);
                options.GrainStorageSerializer = new JsonGrainStorageSerializer();
            })
            .Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = ("test", "test"))
            .ConfigureEndpoints(IPAddress.Loopback, StorageSilo.FreePort(), StorageSilo.FreePort()));
        _host = builder.Build();
        await _host.StartAsync(Cancel);
    }

    private sealed class Heard(ConcurrentQueue<string> warnings) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Warning && eventId.Name is { } name) warnings.Enqueue($"{name}: {formatter(state, exception)} {exception?.Message}");
        }

        public void Dispose()
        {
        }
    }

    private sealed class NoSecrets : ISecretOpener
    {
        public SessionSecrets Open(string tenant, string session, SealedSecrets box) => throw new NotSupportedException();

        public SessionSecrets OpenConfig(string tenant, string configId, SealedSecrets box, string purpose) => throw new NotSupportedException();
    }

    private sealed class NoHooks : IApprovalHookCaller
    {
        public Task<HookAnswer> AskAsync(string tenant, ApprovalHook hook, PermissionView request, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
