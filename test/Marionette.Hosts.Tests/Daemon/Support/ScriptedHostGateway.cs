using System.Net;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.Hosts.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Marionette.Hosts.Tests.Daemon.Support;

/// <summary>The server's side of <c>HostGateway.Connect</c>, bound by hand to the messages that the agent compiles.</summary>
[BindServiceMethod(typeof(HostGatewayBase), nameof(Bind))]
internal abstract class HostGatewayBase
{
    private static readonly Method<HostMessage, GatewayMessage> ConnectMethod = new(
        MethodType.DuplexStreaming,
        HostReflection.Descriptor.Services[0].FullName,
        HostReflection.Descriptor.Services[0].Methods[0].Name,
        Marshallers.Create(message => message.ToByteArray(), HostMessage.Parser.ParseFrom),
        Marshallers.Create(message => message.ToByteArray(), GatewayMessage.Parser.ParseFrom));

    public static void Bind(ServiceBinderBase binder, HostGatewayBase? service) => binder.AddMethod(
        ConnectMethod, service is null ? null! : new DuplexStreamingServerMethod<HostMessage, GatewayMessage>(service.Connect));

    public abstract Task Connect(IAsyncStreamReader<HostMessage> requests, IServerStreamWriter<GatewayMessage> responses, ServerCallContext context);
}

internal sealed class HostGatewayService(ScriptedHostGateway gateway) : HostGatewayBase
{
    public override Task Connect(IAsyncStreamReader<HostMessage> requests, IServerStreamWriter<GatewayMessage> responses, ServerCallContext context) =>
        gateway.ServeAsync(requests, responses, context);
}

/// <summary>A gateway that keeps to the protocol and misbehaves only as told. It keeps everything that hosts say, in order.</summary>
internal sealed class ScriptedHostGateway : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Lock gate = new();
    private readonly List<(int Connection, HostMessage Message)> heard = [];
    private readonly List<HostHello> hellos = [];
    private readonly Dictionary<int, (Channel<GatewayMessage> Out, HttpContext Context)> connections = [];
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ScriptedHostGateway(WebApplication app) => this.app = app;

    public string Url => app.Urls.Single();

    /// <summary>Answers every Hello with this status.</summary>
    public StatusCode? Refuse { get; set; }

    /// <summary>Takes messages in and never says anything again after the welcome.</summary>
    public bool Mute { get; set; }

    /// <summary>Answers heartbeats.</summary>
    public bool Confirms { get; set; } = true;

    public uint HeartbeatMs { get; set; } = 200;

    /// <summary>Called for each message, before it is kept.</summary>
    public Action<HostMessage>? OnMessage { get; set; }

    /// <summary>Shown when something that was waited for did not happen.</summary>
    public Func<string> HostLog { get; set; } = () => "";

    public IReadOnlyList<HostHello> Hellos
    {
        get
        {
            lock (gate)
                return [.. hellos];
        }
    }

    /// <summary>All but heartbeats, with the number of the connection, from 1.</summary>
    public IReadOnlyList<(int Connection, HostMessage Message)> Heard
    {
        get
        {
            lock (gate)
                return [.. heard];
        }
    }

    public int Heartbeats { get; private set; }

    public HostHeartbeat? LastHeartbeat { get; private set; }

    public int Open
    {
        get
        {
            lock (gate)
                return connections.Count;
        }
    }

    public IReadOnlyList<OrderResult> Results => [.. Heard.Where(entry => entry.Message.Result is not null).Select(entry => entry.Message.Result)];

    public static async Task<ScriptedHostGateway> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        ScriptedHostGateway? self = null;
        builder.Services.AddSingleton(_ => self!);
        builder.Services.AddSingleton<HostGatewayService>();
        var app = builder.Build();
        app.MapGrpcService<HostGatewayService>();
        self = new ScriptedHostGateway(app);
        await app.StartAsync();
        return self;
    }

    /// <summary>To every connected host.</summary>
    public void Send(GatewayMessage message)
    {
        lock (gate)
        {
            foreach (var connection in connections.Values)
                connection.Out.Writer.TryWrite(message);
        }
    }

    public void Send(Order order) => Send(new GatewayMessage { Order = order });

    /// <summary>Cuts every TCP connection.</summary>
    public void Cut()
    {
        (Channel<GatewayMessage> Out, HttpContext Context)[] all;
        lock (gate)
            all = [.. connections.Values];
        foreach (var (_, context) in all)
        {
            if (context.Features.Get<IConnectionLifetimeFeature>() is { } connection)
                connection.Abort();
            else
                context.Abort();
        }
    }

    public async Task UntilAsync(Func<bool> condition, string what, int seconds = 30)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (true)
        {
            Task next;
            lock (gate)
                next = changed.Task;
            if (condition())
                return;
            try
            {
                await next.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"{what} did not happen within {seconds} s. Heard:\n{string.Join('\n', Heard)}\nLog of the host:\n{HostLog()}");
            }
        }
    }

    /// <summary>Waits for the result of an order, and gives the first that came.</summary>
    public async Task<OrderResult> ResultAsync(string id, int seconds = 30)
    {
        await UntilAsync(() => Results.Any(result => result.Id == id), $"a result of {id}", seconds);
        return Results.First(result => result.Id == id);
    }

    /// <summary>Waits for a host's stream after so many before it.</summary>
    public Task ConnectedAsync(int hello = 1, int seconds = 90) => UntilAsync(() => Hellos.Count >= hello && Open > 0, $"hello {hello}", seconds);

    public async Task ServeAsync(IAsyncStreamReader<HostMessage> requests, IServerStreamWriter<GatewayMessage> responses, ServerCallContext context)
    {
        if (!await requests.MoveNext(context.CancellationToken))
            return;
        var number = 0;
        Note(() =>
        {
            hellos.Add(requests.Current.Hello);
            number = hellos.Count;
        });
        if (Refuse is { } status)
            throw new RpcException(new Status(status, "refused by the test"));
        var outgoing = Channel.CreateUnbounded<GatewayMessage>();
        outgoing.Writer.TryWrite(new GatewayMessage { Welcome = new HostWelcome { Version = 1, HeartbeatMs = HeartbeatMs } });
        Note(() => connections[number] = (outgoing, context.GetHttpContext()));
        var writing = WriteAsync(outgoing.Reader, responses);
        try
        {
            while (await requests.MoveNext(context.CancellationToken))
                Hear(number, requests.Current, outgoing.Writer);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // Cut, by us or by the host.
        }
        finally
        {
            outgoing.Writer.TryComplete();
            await writing;
            Note(() => connections.Remove(number));
        }
    }

    public async ValueTask DisposeAsync()
    {
        Cut();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await app.StopAsync(limit.Token);
        await app.DisposeAsync();
    }

    private static async Task WriteAsync(ChannelReader<GatewayMessage> outgoing, IServerStreamWriter<GatewayMessage> responses)
    {
        try
        {
            await foreach (var message in outgoing.ReadAllAsync())
                await responses.WriteAsync(message);
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException or OperationCanceledException or RpcException)
        {
            // The stream is over.
        }
    }

    private void Hear(int number, HostMessage message, ChannelWriter<GatewayMessage> answer)
    {
        OnMessage?.Invoke(message);
        if (message.KindCase == HostMessage.KindOneofCase.Heartbeat)
        {
            Note(() => (Heartbeats, LastHeartbeat) = (Heartbeats + 1, message.Heartbeat));
            if (!Mute && Confirms)
                answer.TryWrite(new GatewayMessage { Heartbeat = new HostHeartbeatReply { SentMs = message.Heartbeat.SentMs } });
            return;
        }

        Note(() => heard.Add((number, message)));
    }

    private void Note(Action change)
    {
        TaskCompletionSource wake;
        lock (gate)
        {
            change();
            wake = changed;
            changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        wake.TrySetResult();
    }
}
