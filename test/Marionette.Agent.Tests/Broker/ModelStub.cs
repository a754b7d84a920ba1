using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Tests.Broker;

/// <summary>A model server of one handler.</summary>
internal sealed class ModelStub(WebApplication app) : IAsyncDisposable
{
    private int connections;

    public string Url => app.Urls.Single();

    /// <summary>Connections that were made to it.</summary>
    public int Connections => connections;

    public static async Task<ModelStub> StartAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        ModelStub? self = null;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Use(next => connection =>
            {
                Interlocked.Increment(ref self!.connections);
                return next(connection);
            }));
        });
        var app = builder.Build();
        app.Run(answer);
        self = new ModelStub(app);
        await app.StartAsync();
        return self;
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await app.StopAsync(limit.Token);
        await app.DisposeAsync();
    }
}
