using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Grpc.Core;
using Marionette.Protocol.V1;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Marionette.Bench.Runners;

/// <summary>The runner protocol without a server behind it: notes when each runner's agent says hello, welcomes it, and answers its heartbeats.</summary>
internal sealed class HelloServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly ConcurrentDictionary<string, TaskCompletionSource<long>> _hellos = new();
    private readonly WebApplication _app;

    private HelloServer(WebApplication app) => _app = app;

    /// <summary>Its gRPC address.</summary>
    public string Url { get; private set; } = "";

    public static async Task<HelloServer> StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        HelloServer? server = null;
        builder.Services.AddSingleton(_ => server!).AddGrpc();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        server = new HelloServer(app);
        app.MapGrpcService<Gateway>();
        await app.StartAsync(cancellationToken);
        server.Url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return server;
    }

    /// <returns>The timestamp of the runner's first hello.</returns>
    public Task<long> HelloAsync(string runner, CancellationToken cancellationToken) => Hello(runner).Task.WaitAsync(Patience, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        // Agents hold their streams open; nobody waits for them.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private TaskCompletionSource<long> Hello(string runner) => _hellos.GetOrAdd(runner, _ => new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));

    private sealed class Gateway(HelloServer server) : RunnerGateway.RunnerGatewayBase
    {
        public override async Task Connect(IAsyncStreamReader<RunnerMessage> requestStream, IServerStreamWriter<ServerMessage> responseStream, ServerCallContext context)
        {
            while (await requestStream.MoveNext(context.CancellationToken))
            {
                switch (requestStream.Current)
                {
                    case { KindCase: RunnerMessage.KindOneofCase.Hello, Hello: var hello }:
                        server.Hello(hello.Runner).TrySetResult(Stopwatch.GetTimestamp());
                        await responseStream.WriteAsync(new ServerMessage
                        {
                            Welcome = new Welcome
                            {
                                Version = 1, Acked = hello.LastEvent, HeartbeatMs = 10_000, MaxUnackedEvents = 1000, MaxUnackedBytes = 1 << 20, MaxEventBytes = 1 << 20,
                                Setup = new Setup { Session = "sess_bench", Agent = "command", Command = { "true" } },
                            },
                        });
                        break;
                    case { KindCase: RunnerMessage.KindOneofCase.Events, Events: var events }:
                        await responseStream.WriteAsync(new ServerMessage { Ack = new EventAck { Acked = events.First + events.Events.Count - 1 } });
                        break;
                    case { KindCase: RunnerMessage.KindOneofCase.Heartbeat, Heartbeat: var beat }:
                        await responseStream.WriteAsync(new ServerMessage { Heartbeat = new HeartbeatReply { SentMs = beat.SentMs } });
                        break;
                }
            }
        }
    }
}
