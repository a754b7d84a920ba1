using System.Net;
using Marionette.ModelServer.Http;
using Marionette.ModelServer.Wire;

namespace Marionette.ModelServer;

/// <summary>
/// A stand-in for the Anthropic Messages, OpenAI Responses and OpenAI chat completions APIs. The newest prompt of each request says, in a line <c>@scenario …</c>, how the
/// model behaves; see docs/reference/model-server.md.
/// </summary>
public static class ScriptedModelServer
{
    /// <summary>Longest request body in bytes; a longer one is answered with 413.</summary>
    public const int MaxBodyBytes = 64 << 20;

    /// <summary>Starts a server on loopback and returns once it accepts connections.</summary>
    /// <exception cref="IOException">The port is taken or the log file cannot be opened.</exception>
    public static async Task<RunningModelServer> StartAsync(
        ModelServerOptions options, CancellationToken cancellationToken = default)
    {
        // Empty: neither the host program's arguments and ASPNETCORE_* variables nor its signals are this server's business.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null; // readers that dawdle are what some tests are about
            kestrel.AddServerHeader = false;
            kestrel.Listen(IPAddress.Loopback, options.Port);
        });

        var journal = new RequestJournal(options.LogFile);
        var pace = new Pace(options.TimeProvider);
        var app = builder.Build();
        var api = new ModelApi(options, journal, pace, app.Lifetime.ApplicationStopping);
        app.Run(api.HandleAsync);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch
        {
            await app.DisposeAsync();
            journal.Dispose();
            throw;
        }

        return new RunningModelServer(app, journal, pace);
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
