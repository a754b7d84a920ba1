using System.Net;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Protocol.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Tests.Support;

/// <summary>An event that the gateway keeps.</summary>
internal sealed record KeptEvent(long Number, string Type, string Run, JsonElement Data)
{
    public override string ToString() => $"{Number} {Type} {(Data.GetRawText() is { Length: > 300 } text ? text[..300] : Data.GetRawText())}";
}

/// <summary>
/// A gateway that keeps to the protocol and misbehaves only as told. It keeps every event once, in order, and notes what a
/// correct agent must never do.
/// </summary>
internal sealed class ScriptedGateway : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Lock gate = new();
    private readonly List<KeptEvent> events = [];
    private readonly List<Command> commands = [];
    private readonly List<GatewayConnection> connections = [];
    private readonly List<Hello> hellos = [];
    private readonly List<string> faults = [];
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ScriptedGateway(WebApplication app, Setup setup)
    {
        this.app = app;
        Setup = setup;
    }

    public string Url => app.Urls.Single();

    public Setup Setup { get; set; }

    /// <summary>Shown when something that was waited for did not happen.</summary>
    public Func<string> AgentLog { get; set; } = () => "";

    /// <summary>Payload types need no JSON tree in tests of throughput.</summary>
    public bool ParseData { get; set; } = true;

    /// <summary>Acknowledges only what has been allowed; null acknowledges everything at once.</summary>
    public long? AckLimit { get; set; }

    /// <summary>Answers every Hello with Fenced.</summary>
    public bool Fence { get; set; }

    /// <summary>Answers every Hello with this status.</summary>
    public StatusCode? Refuse { get; set; }

    /// <summary>Takes messages in and never says anything again: a half-open connection.</summary>
    public bool Mute { get; set; }

    public uint HeartbeatMs { get; set; } = 5000;

    public uint MaxUnackedEvents { get; set; } = 16_384;

    public ulong MaxUnackedBytes { get; set; } = 8 << 20;

    public ulong MaxEventBytes { get; set; } = 32 << 20;

    /// <summary>Called for each message that comes in, before it is handled; may cut connections.</summary>
    public Action<GatewayConnection, RunnerMessage>? OnMessage { get; set; }

    public long TotalEvents { get; private set; }

    public long TotalBytes { get; private set; }

    public IReadOnlyList<KeptEvent> Events
    {
        get
        {
            lock (gate)
                return [.. events];
        }
    }

    public IReadOnlyList<Hello> Hellos
    {
        get
        {
            lock (gate)
                return [.. hellos];
        }
    }

    /// <summary>What a correct agent never does.</summary>
    public IReadOnlyList<string> Faults
    {
        get
        {
            lock (gate)
                return [.. faults];
        }
    }

    public static async Task<ScriptedGateway> StartAsync(Setup setup, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port, listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
        });
        builder.Services.AddGrpc(options => options.MaxReceiveMessageSize = options.MaxSendMessageSize = 64 << 20);
        ScriptedGateway? self = null;
        builder.Services.AddSingleton(_ => self!);
        builder.Services.AddSingleton<GatewayService>();
        var app = builder.Build();
        app.MapGrpcService<GatewayService>();
        self = new ScriptedGateway(app, setup);
        await app.StartAsync();
        return self;
    }

    /// <summary>Queues a command; it goes to the connected agent, and again after each reconnect until the agent has it.</summary>
    public long Send(Command command)
    {
        lock (gate)
        {
            command.Number = (commands.Count + 1) * 3L; // numbers rise and have gaps
            commands.Add(command);
        }

        foreach (var connection in Connections())
            connection.Send(new ServerMessage { Command = command });
        return command.Number;
    }

    /// <summary>Events that another gateway has made durable.</summary>
    public void Preload(IEnumerable<KeptEvent> durable)
    {
        lock (gate)
        {
            events.AddRange(durable);
            TotalEvents = events.Count;
        }
    }

    /// <summary>Sends a message on every open connection.</summary>
    public void Broadcast(ServerMessage message)
    {
        foreach (var connection in Connections())
            connection.Send(message);
    }

    /// <summary>Resets every open connection.</summary>
    public void Cut()
    {
        foreach (var connection in Connections())
            connection.Abort();
    }

    /// <summary>Waits for an event; fails with everything that came when it does not come.</summary>
    public async Task<KeptEvent> WaitForAsync(Func<KeptEvent, bool> match, string what, int seconds = 180, long after = 0)
    {
        await UntilAsync(() => Events.Any(e => e.Number > after && match(e)), what, seconds);
        return Events.First(e => e.Number > after && match(e));
    }

    /// <summary>Waits for a state of this gateway.</summary>
    public async Task UntilAsync(Func<bool> condition, string what, int seconds = 180)
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
                Assert.Fail($"{what} did not happen within {seconds} s. Got:\n{string.Join('\n', Events.TakeLast(60))}\nLog of the agent:\n{AgentLog()}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Cut();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await app.StopAsync(limit.Token);
        await app.DisposeAsync();
    }

    public async Task ServeAsync(
        IAsyncStreamReader<RunnerMessage> requests, IServerStreamWriter<ServerMessage> responses, ServerCallContext context)
    {
        using var connection = new GatewayConnection(responses, context.GetHttpContext());
        if (!await requests.MoveNext(context.CancellationToken))
            return;
        var hello = requests.Current.Hello;
        Note(() => hellos.Add(hello));
        if (Refuse is { } status)
            throw new RpcException(new Status(status, "refused"));
        if (Fence)
        {
            await responses.WriteAsync(new ServerMessage { Fenced = new Fenced { Epoch = hello.Epoch + 1, Reason = "test" } });
            return;
        }

        connection.Send(Welcome());
        lock (gate)
        {
            foreach (var command in commands.Where(command => command.Number > hello.LastCommand))
                connection.Send(new ServerMessage { Command = command });
            connections.Add(connection);
        }

        Note(() => { });
        try
        {
            while (await requests.MoveNext(context.CancellationToken))
            {
                OnMessage?.Invoke(connection, requests.Current);
                Handle(connection, requests.Current);
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // Cut, by us or by the agent.
        }
        finally
        {
            Note(() => connections.Remove(connection));
        }
    }

    public int OpenConnections => Connections().Length;

    public bool SaidGoodbye { get; private set; }

    /// <summary>Acknowledges up to here.</summary>
    public void Acknowledge(long number) => Broadcast(new ServerMessage { Ack = new EventAck { Acked = number } });

    private ServerMessage Welcome()
    {
        lock (gate)
        {
            return new ServerMessage
            {
                Welcome = new Welcome
                {
                    Version = 1,
                    Acked = Math.Min(TotalEvents, AckLimit ?? long.MaxValue),
                    HeartbeatMs = HeartbeatMs,
                    MaxUnackedEvents = MaxUnackedEvents,
                    MaxUnackedBytes = MaxUnackedBytes,
                    MaxEventBytes = MaxEventBytes,
                    Setup = Setup.Clone(),
                },
            };
        }
    }

    private void Handle(GatewayConnection connection, RunnerMessage message)
    {
        switch (message.KindCase)
        {
            case RunnerMessage.KindOneofCase.Events:
                Note(() => Take(message.Events));
                if (!Mute)
                    connection.Send(new ServerMessage { Ack = new EventAck { Acked = Math.Min(TotalEvents, AckLimit ?? long.MaxValue) } });
                break;
            case RunnerMessage.KindOneofCase.Heartbeat when !Mute:
                Note(() => { });
                connection.Send(new ServerMessage { Heartbeat = new HeartbeatReply { SentMs = message.Heartbeat.SentMs } });
                break;
            case RunnerMessage.KindOneofCase.Goodbye:
                Note(() => SaidGoodbye = true);
                connection.Complete();
                break;
        }
    }

    // Under the gate.
    private void Take(EventBatch batch)
    {
        if (batch.First > TotalEvents + 1)
            faults.Add($"gap: {batch.First} came after {TotalEvents}");
        if (batch.Events.Count is 0 or > 512)
            faults.Add($"a batch of {batch.Events.Count}");
        for (var i = 0; i < batch.Events.Count; i++)
        {
            var number = batch.First + i;
            if (number != TotalEvents + 1)
                continue;
            var e = batch.Events[i];
            TotalEvents = number;
            TotalBytes += e.Data.Length;
            if (ParseData)
                events.Add(new KeptEvent(number, e.Type, e.Run, Parse(e.Data)));
        }
    }

    private static JsonElement Parse(ByteString data)
    {
        using var document = JsonDocument.Parse(data.Memory, new JsonDocumentOptions { MaxDepth = 256 });
        return document.RootElement.Clone();
    }

    private GatewayConnection[] Connections()
    {
        lock (gate)
            return [.. connections];
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
