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
    IGrainFactory grains, TimeProvider clock, ILogger logger, RunnerAdmission admission, Hello hello, uint version, GatewayOptions options) : IRunnerConnection
{
    /// <summary>Bounds that the agent is told; what waits here stays within them, but for one event that is larger alone.</summary>
    private const uint WindowEvents = 16_384;
    private const ulong WindowBytes = 8 << 20;

    /// <summary>How often the runner's grain hears that its stream is up.</summary>
    private static readonly TimeSpan PresenceEvery = TimeSpan.FromSeconds(15);

    /// <summary>Largest payload of one event, and with it of a message.</summary>
    public const int MaxEventBytes = 32 << 20;

    private readonly string _connectionId = Guid.NewGuid().ToString("n");
    private readonly ISessionGrain _session = grains.GetGrain<ISessionGrain>(admission.SessionKey);
    private readonly Channel<ServerMessage> _outgoing = Channel.CreateUnbounded<ServerMessage>();
    private readonly OutputQueue _incoming = new((long)WindowBytes + MaxEventBytes);
    private readonly Lock _commandGate = new();
    private readonly SilenceWatch _silence = new(clock, "runner");
    private long _lastCommand = hello.LastCommand;

    public async Task RunAsync(IAsyncStreamReader<RunnerMessage> requests, IServerStreamWriter<ServerMessage> responses, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var self = grains.CreateObjectReference<IRunnerConnection>(this);
        try
        {
            await AttachAsync(self, welcome: true, ended.Token);
            await LinkLoops.FirstEndsAllAsync(
                ended, _outgoing, ReadAsync(requests, ended.Token), AppendAsync(ended.Token), LinkLoops.WriteAsync(_outgoing, responses, ended.Token),
                RenewAsync(self, ended.Token), TellPresentAsync(ended.Token), _silence.RunAsync(ended.Token));
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
            _silence.Heard();
            LinkLoops.CheckReads(_outgoing);
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

    /// <summary>The session may have moved to another silo, which does not know this stream yet.</summary>
    private async Task RenewAsync(IRunnerConnection self, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LinkLoops.RenewEvery, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            var known = await GrainCalls.RetryAsync(
                () => _session.KnowsRunnerAsync(admission.Epoch, _connectionId, cancellationToken).AsTask(), clock, logger, cancellationToken);
            if (!known) await AttachAsync(self, welcome: false, cancellationToken);
        }
    }

    /// <summary>Its grain takes a runner that nobody speaks of for offline. A loop of its own: the session's grain may not answer for long.</summary>
    private async Task TellPresentAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(PresenceEvery, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            await GrainCalls.TellAsync(() =>
                grains.GetGrain<IRunnerGrain>(hello.Runner).PresenceAsync(true, cancellationToken).WaitAsync(GrainCalls.Patience, clock, cancellationToken));
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

    private Task TellAwayAsync() => GrainCalls.TellAsync(async () =>
    {
        await _session.DetachRunnerAsync(admission.Epoch, _connectionId);
        await grains.GetGrain<IRunnerGrain>(hello.Runner).PresenceAsync(false);
    });

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
        if (options.ChunkStore is not null) setup.Workspace = WorkspaceOf(attachment.Workspace);
        if (attachment.Git is { } git) setup.Git = ToWire(git, attachment.GitSecret);
        setup.Env.Add(attachment.Env.ToDictionary());
        setup.Command.AddRange(attachment.Command);
        return new Welcome
        {
            Version = version,
            Acked = attachment.Acked,
            HeartbeatMs = LinkLoops.HeartbeatMs,
            MaxUnackedEvents = WindowEvents,
            MaxUnackedBytes = WindowBytes,
            MaxEventBytes = MaxEventBytes,
            Setup = setup,
        };
    }

    private static GitSetup ToWire(Sessions.GitOrigin git, string? secret)
    {
        var wire = new GitSetup
        {
            Url = git.Url, Ref = git.Ref ?? "", Depth = git.Depth, Submodules = git.Submodules, User = secret is null ? "" : git.User ?? "", Secret = secret ?? "",
        };
        if (git.Filter is { } filter) wire.Filter = filter;
        return wire;
    }

    private WorkspaceSetup WorkspaceOf(WorkspaceStart start) => new()
    {
        RestoreWorkspace = start.Workspace ?? "",
        RestoreHome = start.Home ?? "",
        RestoreConversation = start.Conversation ?? "",
        LastEpoch = start.LastEpoch,
        IntervalSeconds = (int)options.Keeping.Interval.TotalSeconds,
    };
}
