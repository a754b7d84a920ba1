using System.Globalization;
using Grpc.Core;
using Marionette.Protocol.V1;
using Marionette.Runners;

namespace Marionette.Gateway.Grpc;

/// <summary>
/// The runners' end of the gateway: checks the hello, then hands the stream to a <see cref="RunnerLink"/>. It holds nothing that another gateway could
/// not hold a moment later.
/// </summary>
internal sealed partial class RunnerService(
    IGrainFactory grains, GatewayOptions options, IHostApplicationLifetime lifetime, TimeProvider clock, ILogger<RunnerService> logger)
    : RunnerGateway.RunnerGatewayBase
{
    /// <summary>The version that this gateway speaks, and the lowest that it takes.</summary>
    private const uint Version = 1, MinVersion = 1;

    private static readonly TimeSpan HelloTimeout = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override async Task Connect(
        IAsyncStreamReader<RunnerMessage> requestStream, IServerStreamWriter<ServerMessage> responseStream, ServerCallContext context)
    {
        var hello = await ReadHelloAsync(requestStream, context.CancellationToken);
        RunnerAdmission admission;
        try
        {
            admission = await grains.GetGrain<IRunnerGrain>(hello.Runner).HelloAsync(
                new RunnerHello(
                    hello.Epoch, hello.Token, hello.Secret.ToByteArray(), hello.Agent?.Version ?? "", hello.Agent?.Hostname ?? "", hello.Agent?.Pid ?? 0),
                context.CancellationToken);
        }
        catch (MarionetteException e) when (e.Code == FaultCode.Fenced)
        {
            await responseStream.WriteAsync(FencedMessage(hello.Epoch, e.Message), context.CancellationToken);
            return;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Refusal(e, hello.Runner);
        }

        var link = new RunnerLink(grains, clock, logger, admission, hello, Math.Min(hello.Version, Version), options);
        using var stopping = lifetime.ApplicationStopping.Register(link.Drain);
        try
        {
            await link.RunAsync(requestStream, responseStream, context.CancellationToken);
        }
        catch (MarionetteException e) when (e.Code == FaultCode.Fenced)
        {
            await responseStream.WriteAsync(FencedMessage(hello.Epoch, e.Message), context.CancellationToken);
        }
        catch (Exception e) when (e is not (OperationCanceledException or IOException or RpcException))
        {
            throw Refusal(e, hello.Runner);
        }
    }

    private async Task<Hello> ReadHelloAsync(IAsyncStreamReader<RunnerMessage> requests, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(HelloTimeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            if (!await requests.MoveNext(both.Token) || requests.Current.KindCase != RunnerMessage.KindOneofCase.Hello)
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
                string.Create(CultureInfo.InvariantCulture, $"The agent speaks versions {hello.MinVersion} to {hello.Version}, this gateway {MinVersion} to {Version}: update the older one.")));
        if (!RunnerKey.Is(hello.Runner)) throw new RpcException(new Status(StatusCode.Unauthenticated, "The runner token is not known."));
        return hello;
    }

    private static ServerMessage FencedMessage(long epoch, string reason) => new() { Fenced = new Fenced { Epoch = epoch, Reason = reason } };

    private RpcException Refusal(Exception e, string runner)
    {
        if (e is MarionetteException { Code: FaultCode.TokenRefused } refused)
        {
            Log.TokenRefused(logger, runner);
            return new RpcException(new Status(StatusCode.Unauthenticated, refused.Message));
        }

        if (e is MarionetteException { Code: FaultCode.Invalid } invalid) return new RpcException(new Status(StatusCode.InvalidArgument, invalid.Message));
        Log.LinkFailed(logger, e, runner);
        return new RpcException(new Status(StatusCode.Unavailable, "Not now; connect again."));
    }

    private static partial class Log
    {
        [LoggerMessage(6101, LogLevel.Warning, "The token of runner {Runner} was refused", EventName = "gateway.runner.refused")]
        public static partial void TokenRefused(ILogger logger, string runner);

        [LoggerMessage(6102, LogLevel.Warning, "The stream of runner {Runner} failed; its agent connects again", EventName = "gateway.runner.failed")]
        public static partial void LinkFailed(ILogger logger, Exception exception, string runner);
    }
}
