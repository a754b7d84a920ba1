using System.Threading.Channels;
using Grpc.Core;
using Marionette.Pools;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Gateway.Grpc.Hosts;

/// <summary>
/// One host's stream: orders from the host's grain, and what the host says back to it, in order. It keeps nothing that a later stream could not say again:
/// a host repeats results on a repeated order, and its first message has all of its runners.
/// </summary>
internal sealed class HostLink(
    IGrainFactory grains, TimeProvider clock, ILogger logger, IHostGrain host, HostInventory inventory, uint version) : IHostConnection
{
    /// <summary>Sayings that wait for the grain; a host that says more waits.</summary>
    private const int MaxWaiting = 1024;

    private readonly string _connectionId = Guid.NewGuid().ToString("n");
    private readonly Channel<GatewayMessage> _outgoing = Channel.CreateUnbounded<GatewayMessage>();
    private readonly Channel<HostSaying> _sayings = Channel.CreateBounded<HostSaying>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, SingleWriter = true });
    private readonly KnownRunners _known = new(inventory);
    private readonly SilenceWatch _silence = new(clock, "host");
    private volatile bool _goodbye;

    public async Task RunAsync(IAsyncStreamReader<HostMessage> requests, IServerStreamWriter<GatewayMessage> responses, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var self = grains.CreateObjectReference<IHostConnection>(this);
        try
        {
            // The first message, whatever the grain gives at once; it goes out only once the grain has the stream.
            _outgoing.Writer.TryWrite(new GatewayMessage { Welcome = new HostWelcome { Version = version, HeartbeatMs = LinkLoops.HeartbeatMs } });
            await AttachAsync(self, ended.Token);
            // Its end comes through the channel, so that what was said before it is told to the end.
            var reading = ReadAsync(requests, ended.Token);
            try
            {
                await LinkLoops.FirstEndsAllAsync(
                    ended, _outgoing, TellAsync(ended.Token), LinkLoops.WriteAsync(_outgoing, responses, ended.Token), RenewAsync(self, ended.Token),
                    _silence.RunAsync(ended.Token));
            }
            finally
            {
                await reading;
            }
        }
        finally
        {
            grains.DeleteObjectReference<IHostConnection>(self);
            await GrainCalls.TellAsync(() => host.DetachAsync(_connectionId, _goodbye));
        }
    }

    /// <summary>The process is about to stop: the host goes to another gateway, and what it runs goes on.</summary>
    public void Drain() => _outgoing.Writer.TryWrite(new GatewayMessage { Drain = new HostDrain { DelayMs = 200 } });

    /// <inheritdoc/>
    public Task OnOrderAsync(HostOrder order)
    {
        _outgoing.Writer.TryWrite(HostMapper.ToWire(order));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task OnClosedAsync(string reason, bool dismissed)
    {
        if (dismissed) _outgoing.Writer.TryWrite(new GatewayMessage { Dismissed = new HostDismissed { Reason = reason } });
        _outgoing.Writer.TryComplete();
        return Task.CompletedTask;
    }

    private Task AttachAsync(IHostConnection self, CancellationToken cancellationToken) =>
        host.AttachAsync(_connectionId, _known.Now, self, cancellationToken).WaitAsync(GrainCalls.Patience, clock, cancellationToken);

    /// <summary>Never throws: an error ends the channel.</summary>
    private async Task ReadAsync(IAsyncStreamReader<HostMessage> requests, CancellationToken cancellationToken)
    {
        try
        {
            while (!_goodbye && await requests.MoveNext(cancellationToken))
            {
                _silence.Heard();
                LinkLoops.CheckReads(_outgoing);
                await TakeAsync(requests.Current, cancellationToken);
            }

            _sayings.Writer.TryComplete();
        }
        catch (Exception e)
        {
            _sayings.Writer.TryComplete(e);
        }
    }

    private async ValueTask TakeAsync(HostMessage message, CancellationToken cancellationToken)
    {
        if (message.KindCase == HostMessage.KindOneofCase.Goodbye) _goodbye = true;
        if (message.KindCase == HostMessage.KindOneofCase.Heartbeat)
            _outgoing.Writer.TryWrite(new GatewayMessage { Heartbeat = new HostHeartbeatReply { SentMs = message.Heartbeat.SentMs } });
        if (HostMapper.Saying(message) is not { } saying) return;
        _known.Hear(saying);
        // With so much waiting, one heartbeat more would tell the grain nothing.
        if (saying is HostAlive) _sayings.Writer.TryWrite(saying);
        else await _sayings.Writer.WriteAsync(saying, cancellationToken);
    }

    private async Task TellAsync(CancellationToken cancellationToken)
    {
        await foreach (var saying in _sayings.Reader.ReadAllAsync(cancellationToken))
            await GrainCalls.RetryAsync(() => host.HeardAsync(_connectionId, saying, cancellationToken), clock, logger, cancellationToken);
    }

    /// <summary>The host's grain may have moved to another silo, which does not know this stream yet.</summary>
    private async Task RenewAsync(IHostConnection self, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LinkLoops.RenewEvery, clock);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            var known = await GrainCalls.RetryAsync(() => host.KnowsAsync(_connectionId, cancellationToken).AsTask(), clock, logger, cancellationToken);
            if (!known) await AttachAsync(self, cancellationToken);
        }
    }
}
