using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Agent.Hosting;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Channel;

/// <summary>How a connection ended without an error.</summary>
/// <param name="Fenced">The server knows a newer epoch.</param>
/// <param name="Delay">The server is going away and named a pause; null for the usual one.</param>
internal readonly record struct ConnectionEnd(bool Fenced, TimeSpan? Delay);

/// <summary>One stream to one gateway, from Hello to its end. Every connection dials anew: a half-dead socket is never reused.</summary>
internal sealed class Connection : IDisposable
{
    /// <summary>Protocol version that this agent speaks.</summary>
    public const uint Version = 1;

    private const int MaxMessageBytes = 64 * 1024 * 1024;
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);

    private readonly AgentConfig config;
    private readonly EventSpool spool;
    private readonly CommandInbox inbox;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly GrpcChannel channel;
    private readonly SemaphoreSlim writing = new(1, 1);
    private AsyncDuplexStreamingCall<RunnerFrame, ServerMessage>? call;
    private Welcome? welcome;
    private long heardAt;

    public Connection(
        AgentConfig config, Uri uri, EventSpool spool, CommandInbox inbox, TimeProvider clock, ILogger log)
    {
        this.config = config;
        this.spool = spool;
        this.inbox = inbox;
        this.clock = clock;
        this.log = log;
        channel = GrpcChannel.ForAddress(uri, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectTimeout = TimeSpan.FromSeconds(5),
                KeepAlivePingDelay = TimeSpan.FromSeconds(10),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
                PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                UseProxy = false,
                AllowAutoRedirect = false,
            },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxMessageBytes,
            MaxSendMessageSize = MaxMessageBytes,
        });
    }

    /// <summary>How it ended, when it ended in order.</summary>
    public ConnectionEnd End { get; private set; }

    /// <summary>Hello and Welcome.</summary>
    /// <returns>The welcome; null when the server fenced the runner, or ended the stream.</returns>
    public async Task<Welcome?> OpenAsync(byte[] secret, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HandshakeLimit);
        call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(RunnerFrame.ConnectMethod, null, new CallOptions());
        using var abort = limit.Token.UnsafeRegister(state => ((IDisposable)state!).Dispose(), call);
        await call.RequestStream.WriteAsync(new RunnerFrame(Hello(secret)), limit.Token).ConfigureAwait(false);
        if (!await call.ResponseStream.MoveNext(limit.Token).ConfigureAwait(false))
            return null;
        heardAt = clock.GetTimestamp();
        var first = call.ResponseStream.Current;
        if (first.KindCase == ServerMessage.KindOneofCase.Fenced)
        {
            Fence(first.Fenced);
            return null;
        }

        if (first.KindCase == ServerMessage.KindOneofCase.Drain)
        {
            End = new ConnectionEnd(false, TimeSpan.FromMilliseconds(first.Drain.DelayMs));
            return null;
        }

        if (first.KindCase != ServerMessage.KindOneofCase.Welcome)
            throw new IOException($"The server's first message is {first.KindCase}, not Welcome.");
        welcome = first.Welcome;
        spool.Acknowledge(welcome.Acked);
        return welcome;
    }

    /// <summary>Sends and receives until the stream ends, falls silent, or the token is cancelled.</summary>
    public async Task<ConnectionEnd> RunAsync(CancellationToken cancellationToken)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var sender = new EventSender(spool, welcome!, WriteAsync);
        Task[] parts = [sender.RunAsync(life.Token), HeartbeatAsync(life.Token), WatchAsync(life.Token), ReceiveAsync(life.Token)];
        var first = await Task.WhenAny(parts).ConfigureAwait(false);
        await life.CancelAsync().ConfigureAwait(false);
        call!.Dispose();
        try
        {
            await Task.WhenAll(parts).ConfigureAwait(false);
        }
        catch (Exception) when (first.IsCompletedSuccessfully || first.IsFaulted || first.IsCanceled)
        {
            // Only the part that ended first tells why; the others ended because of it.
        }

        cancellationToken.ThrowIfCancellationRequested();
        await first.ConfigureAwait(false);
        return End;
    }

    /// <summary>Says Goodbye and closes this side.</summary>
    public async Task SayGoodbyeAsync(string reason, CancellationToken cancellationToken)
    {
        var goodbye = new RunnerMessage { Goodbye = new Goodbye { Reason = reason } };
        await WriteAsync(new RunnerFrame(goodbye), cancellationToken).ConfigureAwait(false);
        await call!.RequestStream.CompleteAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private TimeSpan Interval => TimeSpan.FromMilliseconds(Math.Clamp(welcome!.HeartbeatMs, 100u, 600_000u));

    public void Dispose()
    {
        call?.Dispose();
        channel.Dispose();
        writing.Dispose();
    }

    private async ValueTask WriteAsync(RunnerFrame frame, CancellationToken cancellationToken)
    {
        await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await call!.RequestStream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    private async Task ReceiveAsync(CancellationToken cancellationToken)
    {
        while (await call!.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
        {
            Interlocked.Exchange(ref heardAt, clock.GetTimestamp());
            var message = call.ResponseStream.Current;
            switch (message.KindCase)
            {
                case ServerMessage.KindOneofCase.Ack:
                    spool.Acknowledge(message.Ack.Acked);
                    break;
                case ServerMessage.KindOneofCase.Command:
                    log.CommandTaken(message.Command.Number, message.Command.KindCase.ToString(), inbox.Take(message.Command));
                    break;
                case ServerMessage.KindOneofCase.Fenced:
                    Fence(message.Fenced);
                    return;
                case ServerMessage.KindOneofCase.Drain:
                    log.Drained((int)message.Drain.DelayMs);
                    End = new ConnectionEnd(false, TimeSpan.FromMilliseconds(message.Drain.DelayMs));
                    return;
            }
        }
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval * 0.75, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            var beat = new Heartbeat
            {
                SentMs = clock.GetUtcNow().ToUnixTimeMilliseconds(),
                SpoolEvents = (ulong)(spool.Last - spool.Acked),
                SpoolBytes = (ulong)spool.UnackedBytes,
                RssBytes = (ulong)Environment.WorkingSet,
            };
            var message = new RunnerFrame(new RunnerMessage { Heartbeat = beat });
            await WriteAsync(message, cancellationToken).ConfigureAwait(false);
        }
    }

    // Three silent intervals: the peer is gone, whatever the socket says (packets dropped without a reset). Watched apart from
    // the heartbeat, which may itself be stuck in a write.
    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval * 0.5, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            var silence = clock.GetElapsedTime(Interlocked.Read(ref heardAt));
            if (silence >= Interval * 3)
                throw new IOException($"Nothing from the server for {silence.TotalSeconds:F1} s.");
        }
    }

    private void Fence(Fenced fenced)
    {
        log.Fenced(config.Epoch, fenced.Epoch, fenced.Reason);
        End = new ConnectionEnd(true, null);
    }

    private RunnerMessage Hello(byte[] secret) => new()
    {
        Hello = new Hello
        {
            Version = Version,
            MinVersion = Version,
            Runner = config.Runner,
            Epoch = config.Epoch,
            Token = config.Token,
            Secret = ByteString.CopyFrom(secret),
            LastCommand = inbox.Last,
            LastEvent = spool.Last,
            Agent = new AgentInfo
            {
                Version = AgentVersion.Text,
                Hostname = Environment.MachineName,
                Os = System.Runtime.InteropServices.RuntimeInformation.OSDescription,
                Pid = Environment.ProcessId,
            },
        },
    };
}
