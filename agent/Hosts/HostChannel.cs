using Google.Protobuf;
using Grpc.Core;
using Marionette.Agent.Channel;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>Why the host stopped talking to the server for good.</summary>
internal enum HostChannelEnd
{
    /// <summary>It was asked to.</summary>
    Stopped,

    /// <summary>It was removed from its pool.</summary>
    Dismissed,

    /// <summary>Its token or its secret is not accepted.</summary>
    Refused,
}

/// <summary>Keeps one connection to a gateway, for as long as the host lives: dials, and dials again after every break.</summary>
internal sealed class HostChannel(
    HostIdentity identity, string token, Func<Inventory> inventory, HostOutbox outbox, OrderBook book, Action onWelcome, TimeProvider clock, ILogger log)
{
    private readonly ReconnectPolicy reconnect = new(new Random());
    private readonly CancellationTokenSource leaving = new();
    private volatile bool connected;

    /// <summary>Whether a welcome was heard and the stream stands.</summary>
    public bool Connected => connected;

    /// <summary>Runs until the token is cancelled, the goodbye was heard, or the server does not want this host. Nothing else ends it.</summary>
    public async Task<HostChannelEnd> RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && !leaving.IsCancellationRequested)
        {
            TimeSpan pause;
            try
            {
                var end = await ConnectAsync(cancellationToken).ConfigureAwait(false);
                if (end.Dismissed)
                    return HostChannelEnd.Dismissed;
                pause = end.Delay ?? reconnect.Next();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Unauthenticated)
            {
                log.HostRefused(exception.Status.Detail);
                return HostChannelEnd.Refused;
            }
            catch (Exception exception) when (exception is RpcException or IOException or OperationCanceledException
                or HttpRequestException or InvalidOperationException or ObjectDisposedException)
            {
                pause = reconnect.Next();
                log.HostDisconnected(Describe(exception), (int)pause.TotalMilliseconds);
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, leaving.Token);
            await Task.Delay(pause, clock, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return HostChannelEnd.Stopped;
    }

    /// <summary>Says goodbye after everything that waits, where there is a connection; no other one is made.</summary>
    public async Task SayGoodbyeAsync(string reason)
    {
        outbox.Say(new HostMessage { Goodbye = new HostGoodbye { Reason = reason } });
        await leaving.CancelAsync().ConfigureAwait(false);
    }

    private static string Describe(Exception exception) => exception switch
    {
        RpcException rpc => $"{rpc.StatusCode}: {rpc.Status.DebugException?.Message ?? rpc.Status.Detail}",
        _ => exception.Message,
    };

    private async Task<HostConnectionEnd> ConnectAsync(CancellationToken cancellationToken)
    {
        var uri = identity.ServerUri;
        using var connection = new HostConnection(uri, outbox, book, clock, log);
        outbox.Rewind();
        if (!await connection.OpenAsync(Hello(), cancellationToken).ConfigureAwait(false))
            return connection.End;
        reconnect.Succeeded();
        log.HostConnected(uri.Authority, identity.Pool, identity.Host);
        connected = true;
        try
        {
            onWelcome();
            return await connection.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            connected = false;
        }
    }

    private HostHello Hello() => new()
    {
        Version = HostConnection.Version,
        MinVersion = HostConnection.Version,
        Pool = identity.Pool,
        Host = identity.Host,
        Token = identity.Joined ? "" : token,
        Secret = ByteString.CopyFrom(identity.Secret),
        Inventory = inventory(),
    };
}
