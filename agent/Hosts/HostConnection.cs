using Grpc.Core;
using Grpc.Net.Client;
using Google.Protobuf;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>How a connection ended without an error.</summary>
/// <param name="Dismissed">The host is not wanted any more.</param>
/// <param name="Delay">The gateway is going away and named a pause; null for the usual one.</param>
internal readonly record struct HostConnectionEnd(bool Dismissed, TimeSpan? Delay);

/// <summary>One stream to one gateway, from Hello to its end. Every connection dials anew: a half-dead socket is never reused.</summary>
internal sealed class HostConnection : IDisposable
{
    /// <summary>Protocol version that this host speaks.</summary>
    public const uint Version = 1;

    private const int MaxMessageBytes = 16 * 1024 * 1024;
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(10);

    private static readonly Method<HostMessage, GatewayMessage> ConnectMethod = new(
        MethodType.DuplexStreaming,
        "marionette.host.v1.HostGateway",
        "Connect",
        // A client writes the one and reads the other; the other two directions do not exist here.
        Marshallers.Create<HostMessage>(Serialize, _ => throw new NotSupportedException()),
        Marshallers.Create<GatewayMessage>((_, _) => throw new NotSupportedException(), Deserialize));

    private readonly HostOutbox outbox;
    private readonly OrderBook book;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly GrpcChannel channel;
    private AsyncDuplexStreamingCall<HostMessage, GatewayMessage>? call;
    private TimeSpan interval;
    private long heardAt;

    public HostConnection(Uri uri, HostOutbox outbox, OrderBook book, TimeProvider clock, ILogger log)
    {
        this.outbox = outbox;
        this.book = book;
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
    public HostConnectionEnd End { get; private set; }

    /// <summary>Hello and Welcome.</summary>
    /// <returns>False when the server dismissed the host, is going away, or ended the stream.</returns>
    public async Task<bool> OpenAsync(HostHello hello, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HandshakeLimit);
        call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(ConnectMethod, null, new CallOptions());
        using var abort = limit.Token.UnsafeRegister(state => ((IDisposable)state!).Dispose(), call);
        await call.RequestStream.WriteAsync(new HostMessage { Hello = hello }, limit.Token).ConfigureAwait(false);
        if (!await call.ResponseStream.MoveNext(limit.Token).ConfigureAwait(false))
            return false;
        heardAt = clock.GetTimestamp();
        var first = call.ResponseStream.Current;
        if (Ends(first))
            return false;
        if (first.KindCase != GatewayMessage.KindOneofCase.Welcome)
            throw new IOException($"The server's first message is {first.KindCase}, not Welcome.");
        interval = TimeSpan.FromMilliseconds(Math.Clamp(first.Welcome.HeartbeatMs, 100u, 600_000u));
        return true;
    }

    /// <summary>Sends and receives until the stream ends, falls silent, or the token is cancelled.</summary>
    public async Task<HostConnectionEnd> RunAsync(CancellationToken cancellationToken)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] parts = [SendAsync(life.Token), HeartbeatAsync(life.Token), WatchAsync(life.Token), ReceiveAsync(life.Token)];
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

    public void Dispose()
    {
        call?.Dispose();
        channel.Dispose();
    }

    private static void Serialize(HostMessage message, SerializationContext context)
    {
        context.SetPayloadLength(message.CalculateSize());
        message.WriteTo(context.GetBufferWriter());
        context.Complete();
    }

    private static GatewayMessage Deserialize(DeserializationContext context) =>
        GatewayMessage.Parser.ParseFrom(context.PayloadAsReadOnlySequence());

    // The one writer: what is said in order is written in order. After the goodbye the server ends the stream.
    private async Task SendAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var message = await outbox.NextAsync(cancellationToken).ConfigureAwait(false);
            await call!.RequestStream.WriteAsync(message, cancellationToken).ConfigureAwait(false);
            if (message.KindCase != HostMessage.KindOneofCase.Goodbye)
                continue;
            await call.RequestStream.CompleteAsync().ConfigureAwait(false);
            await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task ReceiveAsync(CancellationToken cancellationToken)
    {
        while (await call!.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
        {
            Interlocked.Exchange(ref heardAt, clock.GetTimestamp());
            var message = call.ResponseStream.Current;
            if (Ends(message))
                return;
            switch (message.KindCase)
            {
                case GatewayMessage.KindOneofCase.Heartbeat:
                    outbox.Confirm(message.Heartbeat.SentMs);
                    break;
                case GatewayMessage.KindOneofCase.Order:
                    book.Take(message.Order);
                    break;
            }
        }
    }

    private bool Ends(GatewayMessage message)
    {
        switch (message.KindCase)
        {
            case GatewayMessage.KindOneofCase.Dismissed:
                log.HostDismissed(message.Dismissed.Reason);
                End = new HostConnectionEnd(true, null);
                return true;
            case GatewayMessage.KindOneofCase.Drain:
                log.HostDrained((int)message.Drain.DelayMs);
                End = new HostConnectionEnd(false, TimeSpan.FromMilliseconds(message.Drain.DelayMs));
                return true;
            default:
                return false;
        }
    }

    // The first one at once: the load is known, and what comes again from the last connection is soon confirmed.
    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval * 0.75, clock);
        do
            outbox.SayHeartbeat();
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false));
    }

    // Three silent intervals: the peer is gone, whatever the socket says (packets dropped without a reset). Watched apart from the
    // writer, which may itself be stuck.
    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(interval * 0.5, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            var silence = clock.GetElapsedTime(Interlocked.Read(ref heardAt));
            if (silence >= interval * 3)
                throw new IOException($"Nothing from the server for {silence.TotalSeconds:F1} s.");
        }
    }
}
