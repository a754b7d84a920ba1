using System.Collections.Immutable;
using System.Threading.Channels;
using Grpc.Core;
using Marionette.Protocol.V1;
using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Gateway.Grpc;

/// <summary>
/// One runner's stream: events to the session's grain, acknowledgements and commands back. Three loops share it: one reads, one appends (and joins
/// what waits into one append), one writes. The agent's window bounds what can wait here.
/// </summary>
internal sealed class RunnerLink(
    IGrainFactory grains, TimeProvider clock, ILogger logger, RunnerAdmission admission, Hello hello, uint version) : IRunnerConnection
{
    /// <summary>Bounds that the agent is told; what waits here stays within them, but for one event that is larger alone.</summary>
    private const uint WindowEvents = 16_384;
    private const ulong WindowBytes = 8 << 20;

    /// <summary>Largest payload of one event, and with it of a message.</summary>
    public const int MaxEventBytes = 32 << 20;

    private const int HeartbeatMs = 5_000;

    /// <summary>
    /// A runner that says nothing for so long is away, whatever its socket says: its lease begins. Longer than the agent's own patience with us, since
    /// a large event on a slow line holds its heartbeats up.
    /// </summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMilliseconds(6 * HeartbeatMs);

    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(3);

    private readonly string _connectionId = Guid.NewGuid().ToString("n");
    private readonly ISessionGrain _session = grains.GetGrain<ISessionGrain>(admission.SessionKey);
    private readonly Channel<ServerMessage> _outgoing = Channel.CreateUnbounded<ServerMessage>(new() { SingleReader = true });
    private readonly OutputQueue _incoming = new((long)WindowBytes + MaxEventBytes);
    private readonly Lock _commandGate = new();
    private long _lastCommand = hello.LastCommand;
    private long _heardAt = clock.GetTimestamp();

    public async Task RunAsync(IAsyncStreamReader<RunnerMessage> requests, IServerStreamWriter<ServerMessage> responses, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var self = grains.CreateObjectReference<IRunnerConnection>(this);
        try
        {
            await AttachAsync(self, welcome: true, ended.Token);
            var loops = new[]
            {
                ReadAsync(requests, ended.Token), AppendAsync(ended.Token), WriteAsync(responses, ended.Token), RenewAsync(self, ended.Token),
                WatchAsync(ended.Token),
            };
            // Whichever ends first ends the link: a half of it is of no use.
            var first = await Task.WhenAny(loops);
            await ended.CancelAsync();
            _outgoing.Writer.TryComplete();
            await Task.WhenAll(loops.Select(Quietly));
            await first;
        }
        finally
        {
            grains.DeleteObjectReference<IRunnerConnection>(self);
            await TellAwayAsync();
        }
    }

    /// <summary>The process is about to stop: the agent goes to another gateway, and what it runs goes on.</summary>
    public void Drain() => _outgoing.Writer.TryWrite(new ServerMessage { Drain = new Drain { DelayMs = 200 } });

    /// <inheritdoc/>
    public Task OnCommandsAsync(ImmutableArray<RunnerCommand> commands)
    {
        Send(commands);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task OnFencedAsync(long epoch, string reason)
    {
        // The same epoch means that a newer stream of the same agent took over: this one just ends.
        if (epoch != admission.Epoch || reason.Length > 0 && !reason.StartsWith("A newer connection", StringComparison.Ordinal))
            _outgoing.Writer.TryWrite(new ServerMessage { Fenced = new Fenced { Epoch = epoch, Reason = reason } });
        _outgoing.Writer.TryComplete();
        return Task.CompletedTask;
    }

    private async Task AttachAsync(IRunnerConnection self, bool welcome, CancellationToken cancellationToken)
    {
        var attachment = await _session.AttachRunnerAsync(
            new AttachRunner(
                hello.Runner[(hello.Runner.IndexOf('/', StringComparison.Ordinal) + 1)..], admission.Epoch, _connectionId, Volatile.Read(ref _lastCommand),
                hello.LastEvent),
            self, cancellationToken).WaitAsync(GrainCalls.Patience, clock, cancellationToken);
        if (welcome) _outgoing.Writer.TryWrite(new ServerMessage { Welcome = WelcomeOf(attachment) });
        Send(attachment.Commands);
    }

    private async Task ReadAsync(IAsyncStreamReader<RunnerMessage> requests, CancellationToken cancellationToken)
    {
        while (await requests.MoveNext(cancellationToken))
        {
            var message = requests.Current;
            Volatile.Write(ref _heardAt, clock.GetTimestamp());
            switch (message.KindCase)
            {
                case RunnerMessage.KindOneofCase.Events:
                    _incoming.Add(message.Events);
                    break;
                case RunnerMessage.KindOneofCase.Heartbeat:
                    _outgoing.Writer.TryWrite(new ServerMessage { Heartbeat = new HeartbeatReply { SentMs = message.Heartbeat.SentMs } });
                    break;
                case RunnerMessage.KindOneofCase.Goodbye:
                    return;
            }
        }
    }

    private async Task AppendAsync(CancellationToken cancellationToken)
    {
        while (await _incoming.TakeAsync(admission.Epoch, cancellationToken) is { } output)
        {
            var acked = await GrainCalls.RetryAsync(() => _session.AppendOutputAsync(output, cancellationToken), clock, logger, cancellationToken);
            _outgoing.Writer.TryWrite(new ServerMessage { Ack = new EventAck { Acked = acked } });
        }
    }

    private async Task WriteAsync(IServerStreamWriter<ServerMessage> responses, CancellationToken cancellationToken)
    {
        await foreach (var message in _outgoing.Reader.ReadAllAsync(cancellationToken))
            await responses.WriteAsync(message, cancellationToken);
    }

    /// <summary>The session may have moved to another silo, which does not know this stream yet.</summary>
    private async Task RenewAsync(IRunnerConnection self, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(RenewEvery, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            var known = await GrainCalls.RetryAsync(
                () => _session.KnowsRunnerAsync(admission.Epoch, _connectionId, cancellationToken).AsTask(), clock, logger, cancellationToken);
            if (!known) await AttachAsync(self, welcome: false, cancellationToken);
        }
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(HeartbeatMs / 2d), clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            if (clock.GetElapsedTime(Volatile.Read(ref _heardAt)) > LongestSilence)
                throw new RpcException(new Status(StatusCode.DeadlineExceeded, "The runner fell silent."));
    }

    private void Send(ImmutableArray<RunnerCommand> commands)
    {
        lock (_commandGate)
        {
            foreach (var command in commands)
            {
                // What was written to this stream arrives, or the stream breaks: a repeat is for another one.
                if (command.Number <= _lastCommand) continue;
                _outgoing.Writer.TryWrite(new ServerMessage { Command = CommandMapper.ToWire(command) });
                Volatile.Write(ref _lastCommand, command.Number);
            }
        }
    }

    private async Task TellAwayAsync()
    {
        try
        {
            await _session.DetachRunnerAsync(admission.Epoch, _connectionId);
            await grains.GetGrain<IRunnerGrain>(hello.Runner).PresenceAsync(false);
        }
        catch (Exception e) when (e is MarionetteException or OrleansException or TimeoutException or OperationCanceledException or ObjectDisposedException)
        {
            // Informative only: the lease runs from the last sign of life in any case.
        }
    }

    private static async Task Quietly(Task loop)
    {
        try
        {
            await loop;
        }
        catch (Exception)
        {
            // The first loop's end tells why; the others end because of it.
        }
    }

    private Welcome WelcomeOf(RunnerAttachment attachment)
    {
        var setup = new Setup
        {
            Session = attachment.SessionId,
            Agent = attachment.Agent,
            Model = attachment.Model ?? "",
            BaseUrl = attachment.BaseUrl ?? "",
            ApiKey = attachment.ApiKey ?? "",
            PermissionMode = attachment.PermissionMode,
            Conversation = attachment.ConversationId ?? "",
            IncludeRaw = attachment.IncludeRaw,
            InitScript = attachment.InitScript ?? "",
            Options = attachment.Options is null ? Google.Protobuf.ByteString.Empty : Google.Protobuf.ByteString.CopyFrom(attachment.Options),
        };
        setup.Env.Add(attachment.Env.ToDictionary());
        setup.Command.AddRange(attachment.Command);
        return new Welcome
        {
            Version = version,
            Acked = attachment.Acked,
            HeartbeatMs = HeartbeatMs,
            MaxUnackedEvents = WindowEvents,
            MaxUnackedBytes = WindowBytes,
            MaxEventBytes = MaxEventBytes,
            Setup = setup,
        };
    }
}
