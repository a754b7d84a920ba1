using System.Globalization;
using Grpc.Core;
using Marionette.Pools;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Gateway.Grpc.Hosts;

/// <summary>
/// The hosts' end of the gateway: checks the hello, then hands the stream to a <see cref="HostLink"/>. It holds nothing that another gateway could not hold a
/// moment later.
/// </summary>
internal sealed partial class HostService(
    IGrainFactory grains, IHostApplicationLifetime lifetime, TimeProvider clock, ILogger<HostService> logger) : HostGateway.HostGatewayBase
{
    /// <summary>The version that this gateway speaks, and the lowest that it takes.</summary>
    private const uint Version = 1, MinVersion = 1;

    private const int MinSecretBytes = 16, MaxSecretBytes = 64, MaxTokenLength = 200;

    private static readonly TimeSpan HelloTimeout = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override async Task Connect(
        IAsyncStreamReader<HostMessage> requestStream, IServerStreamWriter<GatewayMessage> responseStream, ServerCallContext context)
    {
        var hello = await ReadHelloAsync(requestStream, context.CancellationToken);
        var key = PoolKeys.OfHost(hello.Pool, hello.Host);
        try
        {
            var inventory = HostMapper.Inventory(hello.Inventory);
            var host = grains.GetGrain<IHostGrain>(key);
            await host.HelloAsync(new HostHelloCommand(hello.Token, hello.Secret.ToByteArray(), inventory.Facts), context.CancellationToken)
                .WaitAsync(GrainCalls.Patience, clock, context.CancellationToken);
            var link = new HostLink(grains, clock, logger, host, inventory, Math.Min(hello.Version, Version));
            using var stopping = lifetime.ApplicationStopping.Register(link.Drain);
            await link.RunAsync(requestStream, responseStream, context.CancellationToken);
        }
        catch (Exception e) when (e is not (OperationCanceledException or IOException or RpcException))
        {
            throw Refusal(e, key);
        }
    }

    private async Task<HostHello> ReadHelloAsync(IAsyncStreamReader<HostMessage> requests, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(HelloTimeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            if (!await requests.MoveNext(both.Token) || requests.Current.KindCase != HostMessage.KindOneofCase.Hello)
                throw new RpcException(new Status(StatusCode.InvalidArgument, "The first message must be Hello."));
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, "No Hello came."));
        }

        var hello = requests.Current.Hello;
        if (hello.Version < MinVersion || hello.MinVersion > Version)
            throw new RpcException(new Status(
                StatusCode.FailedPrecondition,
                string.Create(CultureInfo.InvariantCulture,
                    $"The host speaks versions {hello.MinVersion} to {hello.Version}, this gateway {MinVersion} to {Version}: update the older one.")));
        if (!PoolKeys.IsPool(hello.Pool)) throw new RpcException(new Status(StatusCode.NotFound, "There is no such pool."));
        if (!EntityId.Is(EntityId.Host, hello.Host) || hello.Secret.Length is < MinSecretBytes or > MaxSecretBytes || hello.Token.Length > MaxTokenLength)
            throw new RpcException(new Status(StatusCode.Unauthenticated, "The host's id, join token or secret is not one."));
        return hello;
    }

    private RpcException Refusal(Exception e, string host)
    {
        switch (e)
        {
            case MarionetteException { Code: FaultCode.TokenRefused }:
                Log.TokenRefused(logger, host);
                return new RpcException(new Status(StatusCode.Unauthenticated, e.Message));
            case MarionetteException { Code: FaultCode.NotFound }:
                return new RpcException(new Status(StatusCode.NotFound, e.Message));
            case MarionetteException { Code: FaultCode.Invalid }:
                Log.LinkFailed(logger, e, host);
                return new RpcException(new Status(StatusCode.InvalidArgument, e.Message));
            default:
                Log.LinkFailed(logger, e, host);
                return new RpcException(new Status(StatusCode.Unavailable, "Not now; connect again."));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6121, LogLevel.Warning, "The token or secret of host {Host} was refused", EventName = "gateway.host.refused")]
        public static partial void TokenRefused(ILogger logger, string host);

        [LoggerMessage(6122, LogLevel.Warning, "The stream of host {Host} failed; it connects again", EventName = "gateway.host.failed")]
        public static partial void LinkFailed(ILogger logger, Exception exception, string host);
    }
}
