using System.Security.Cryptography;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Bench.Stack;
using Marionette.Protocol.V1;

namespace Marionette.Bench.Runners;

/// <summary>
/// A runner as the protocol describes one, without an agent behind it: it sends what it is given, as fast as the window of acknowledgements allows.
/// </summary>
internal sealed class SyntheticRunner : IAsyncDisposable
{
    private readonly GrpcChannel _channel;
    private readonly AsyncDuplexStreamingCall<RunnerMessage, ServerMessage> _call;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _writing = new(1), _ackSignal = new(0);
    private readonly TaskCompletionSource<Welcome> _welcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<StartRun> _run = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _reading = Task.CompletedTask, _beating = Task.CompletedTask;
    private long _acked, _sent;

    private SyntheticRunner(string session, GrpcChannel channel) =>
        (Session, _channel, _call) = (session, channel, new RunnerGateway.RunnerGatewayClient(channel).Connect());

    public string Session { get; }

    /// <summary>The server has told it to stop, and it did.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Gets the session a runner and takes its place.</summary>
    public static async Task<SyntheticRunner> ConnectAsync(BenchStack stack, string session, CancellationToken cancellationToken)
    {
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/resume", null, cancellationToken);
        var view = await stack.Api.UntilAsync(session, v => v.TryGetProperty("runner_id", out _), cancellationToken);
        var config = Path.Combine(stack.DataDirectory, "runners", view.GetProperty("runner_id").GetString()!, "agent.json");
        while (!File.Exists(config)) await Task.Delay(10, cancellationToken);
        using var document = JsonDocument.Parse(await File.ReadAllBytesAsync(config, cancellationToken));
        var runner = new SyntheticRunner(session, GrpcChannel.ForAddress(stack.GrpcUrl, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler { UseProxy = false, PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan },
            DisposeHttpClient = true,
        }));
        await runner.HelloAsync(document.RootElement, cancellationToken);
        return runner;
    }

    /// <summary>Gives the session a task and takes it up, so that what follows belongs to a run.</summary>
    public async Task<string> StartRunAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        await stack.Api.SubmitAsync(Session, "bench");
        var run = await _run.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
        await SendAsync([new Event { Type = "run.started", AtMs = Now, Run = run.Run, Data = ByteString.CopyFromUtf8("{}") }], cancellationToken);
        return run.Run;
    }

    /// <summary>Sends events; waits only for room in the window.</summary>
    public async Task SendAsync(IReadOnlyCollection<Event> events, CancellationToken cancellationToken)
    {
        var welcome = await _welcome.Task;
        // The bench's events are small: the window of events is reached before the one of bytes.
        while (_sent + events.Count - Interlocked.Read(ref _acked) > welcome.MaxUnackedEvents) await _ackSignal.WaitAsync(cancellationToken);
        var batch = new EventBatch { First = _sent + 1 };
        batch.Events.Add(events);
        _sent += events.Count;
        await WriteAsync(new RunnerMessage { Events = batch }, cancellationToken);
    }

    /// <summary>Waits until all that was sent is durable.</summary>
    public async Task SettledAsync(CancellationToken cancellationToken)
    {
        while (Interlocked.Read(ref _acked) < _sent) await _ackSignal.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _call.Dispose();
        await Task.WhenAll(_reading, _beating);
        _channel.Dispose();
        _stop.Dispose();
    }

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    private async Task HelloAsync(JsonElement config, CancellationToken cancellationToken)
    {
        await WriteAsync(new RunnerMessage
        {
            Hello = new Hello
            {
                Version = 1, MinVersion = 1, Runner = config.GetProperty("runner").GetString(), Epoch = config.GetProperty("epoch").GetInt64(),
                Token = config.GetProperty("token").GetString(), Secret = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
                Agent = new AgentInfo { Version = "bench", Hostname = "bench", Os = "linux", Pid = Environment.ProcessId },
            },
        }, cancellationToken);
        _reading = Task.Run(ReadAsync, CancellationToken.None);
        var welcome = await _welcome.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
        _beating = Task.Run(() => BeatAsync(welcome), CancellationToken.None);
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _call.ResponseStream.MoveNext(_stop.Token)) await TakeAsync(_call.ResponseStream.Current);
            _welcome.TrySetException(new InvalidOperationException("The server ended the stream."));
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or ObjectDisposedException)
        {
            _welcome.TrySetException(e);
        }
    }

    private async Task TakeAsync(ServerMessage message)
    {
        switch (message.KindCase)
        {
            case ServerMessage.KindOneofCase.Welcome:
                _welcome.TrySetResult(message.Welcome);
                break;
            case ServerMessage.KindOneofCase.Ack:
                Interlocked.Exchange(ref _acked, message.Ack.Acked);
                _ackSignal.Release();
                break;
            case ServerMessage.KindOneofCase.Command when message.Command.KindCase == Command.KindOneofCase.StartRun:
                _run.TrySetResult(message.Command.StartRun);
                break;
            case ServerMessage.KindOneofCase.Command when message.Command.KindCase == Command.KindOneofCase.Stop && !IsStopped:
                IsStopped = true;
                var stopped = new Event { Type = "runner.stopped", AtMs = Now, Data = ByteString.CopyFromUtf8("{\"reason\":\"bench\"}") };
                await SendAsync([stopped], _stop.Token);
                break;
        }
    }

    private async Task BeatAsync(Welcome welcome)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(welcome.HeartbeatMs * 0.75));
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token)) await WriteAsync(new RunnerMessage { Heartbeat = new Heartbeat { SentMs = Now } }, _stop.Token);
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or InvalidOperationException)
        {
            // The stream is over.
        }
    }

    private async Task WriteAsync(RunnerMessage message, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await _call.RequestStream.WriteAsync(message, cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }
}
