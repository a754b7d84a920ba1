using Grpc.Core;
using Marionette.Agent.Hosting;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Channel;

/// <summary>Why the agent stopped talking to the server for good.</summary>
internal enum ChannelEnd
{
    /// <summary>It was asked to.</summary>
    Stopped,

    /// <summary>A newer epoch of this runner exists.</summary>
    Fenced,

    /// <summary>The token, or the secret that goes with it, is not accepted.</summary>
    TokenRefused,
}

/// <summary>Keeps one connection to a gateway, for as long as the agent lives: dials, and dials again after every break.</summary>
internal sealed class ControlChannel(
    AgentConfig config,
    EventSpool spool,
    CommandInbox inbox,
    Action<Welcome> onWelcome,
    TimeProvider clock,
    ILogger log)
{
    private readonly Endpoint endpoint = new(config);
    private readonly ReconnectPolicy reconnect = new(new Random());
    private readonly TaskCompletionSource connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Connection? current;

    /// <summary>Completes at the first Welcome.</summary>
    public Task Connected => connected.Task;

    /// <summary>Runs until the token is cancelled, the runner is fenced or its token refused. Nothing else ends it.</summary>
    public async Task<ChannelEnd> RunAsync(byte[] secret, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var pause = TimeSpan.Zero;
            try
            {
                var end = await ConnectAsync(secret, cancellationToken).ConfigureAwait(false);
                if (end.Fenced)
                    return ChannelEnd.Fenced;
                pause = end.Delay ?? reconnect.Next();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
            catch (RpcException exception) when (exception.StatusCode == StatusCode.Unauthenticated)
            {
                log.TokenRefused();
                return ChannelEnd.TokenRefused;
            }
            catch (Exception exception) when (exception is RpcException or IOException or OperationCanceledException
                or HttpRequestException or InvalidOperationException or ObjectDisposedException)
            {
                pause = reconnect.Next();
                log.Disconnected(Describe(exception), (int)pause.TotalMilliseconds);
            }

            try
            {
                await Task.Delay(pause, clock, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }

        return ChannelEnd.Stopped;
    }

    /// <summary>Last word before the end; nothing happens while there is no connection.</summary>
    public async Task SayGoodbyeAsync(string reason, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref current) is { } connection)
            await connection.SayGoodbyeAsync(reason, cancellationToken).ConfigureAwait(false);
    }

    private static string Describe(Exception exception) => exception switch
    {
        RpcException rpc => $"{rpc.StatusCode}: {rpc.Status.DebugException?.Message ?? rpc.Status.Detail}",
        _ => exception.Message,
    };

    private async Task<ConnectionEnd> ConnectAsync(byte[] secret, CancellationToken cancellationToken)
    {
        var uri = endpoint.Current();
        using var connection = new Connection(config, uri, spool, inbox, clock, log);
        var welcome = await connection.OpenAsync(secret, cancellationToken).ConfigureAwait(false);
        if (welcome is null)
            return connection.End;
        reconnect.Succeeded();
        log.Connected(uri.Authority, spool.Acked, spool.Last);
        Volatile.Write(ref current, connection);
        try
        {
            onWelcome(welcome);
            connected.TrySetResult();
            return await connection.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref current, null);
        }
    }
}
