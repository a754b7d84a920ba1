using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using Marionette.Agent.Channel;
using Marionette.Agent.Hosting;
using Marionette.Workspaces;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// The way to the tenant's chunk store through a gateway, for one snapshot or one restore. It has a connection of its own, so that bytes do not stand in the
/// way of events. Failures are <see cref="WorkspaceException"/>; what passes by itself is tried again for a while.
/// </summary>
internal sealed class StoreConnection : IDisposable
{
    private const int MaxMessageBytes = 8 * 1024 * 1024, Attempts = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200), CallLimit = TimeSpan.FromSeconds(60);

    private readonly GrpcChannel channel;
    private readonly Metadata who;
    private readonly TimeProvider clock;

    public StoreConnection(AgentConfig config, byte[] secret, DirectTransfers direct, TimeProvider clock)
    {
        this.clock = clock;
        (Direct, SpoolFolder) = (direct, config.StateDir);
        channel = GrpcChannel.ForAddress(new Endpoint(config).Current(), new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectTimeout = TimeSpan.FromSeconds(5),
                KeepAlivePingDelay = TimeSpan.FromSeconds(10),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
                UseProxy = false,
                AllowAutoRedirect = false,
            },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxMessageBytes,
            MaxSendMessageSize = MaxMessageBytes,
        });
        Client = new Wire.WorkspaceStore.WorkspaceStoreClient(channel);
        who = new Metadata
        {
            { "mn-runner", config.Runner },
            { "mn-epoch", config.Epoch.ToString(CultureInfo.InvariantCulture) },
            { "mn-secret-bin", secret },
        };
    }

    public Wire.WorkspaceStore.WorkspaceStoreClient Client { get; }

    /// <summary>The time, for what a gateway signs for a while.</summary>
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>The way past the gateway, the same for all connections of a runner.</summary>
    public DirectTransfers Direct { get; }

    /// <summary>Where packs stand until they are sent.</summary>
    public string SpoolFolder { get; }

    /// <summary>Headers, and no bound on the time: for streams.</summary>
    public CallOptions Streaming(CancellationToken cancellationToken) => new(who, cancellationToken: cancellationToken);

    /// <summary>One call, again when a gateway was away.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, Busy, Invalid, Io.</exception>
    public async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call(new CallOptions(who, (clock.GetUtcNow() + CallLimit).UtcDateTime, cancellationToken)).ConfigureAwait(false);
            }
            catch (RpcException exception)
            {
                if (attempt == Attempts || !IsPassing(exception))
                    throw Translate(exception, cancellationToken);
            }

            await Task.Delay(FirstPause * (1 << (attempt - 1)), clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>A call that only newer gateways know.</summary>
    /// <returns>Null: this one does not.</returns>
    /// <exception cref="WorkspaceException">As <see cref="CallAsync"/>.</exception>
    public async Task<T?> AskDirectAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) where T : class
    {
        try
        {
            return await CallAsync(call, cancellationToken).ConfigureAwait(false);
        }
        catch (WorkspaceException unknown) when (unknown.InnerException is RpcException { StatusCode: StatusCode.Unimplemented })
        {
            return null;
        }
    }

    /// <summary>What a call's failure means for the library.</summary>
    public static Exception Translate(RpcException exception, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return new OperationCanceledException(cancellationToken);
        var fault = exception.StatusCode switch
        {
            StatusCode.NotFound => WorkspaceFault.Missing,
            StatusCode.DataLoss => WorkspaceFault.Corrupt,
            StatusCode.Aborted => WorkspaceFault.Busy,
            StatusCode.InvalidArgument or StatusCode.PermissionDenied or StatusCode.FailedPrecondition or StatusCode.Unauthenticated => WorkspaceFault.Invalid,
            StatusCode.ResourceExhausted => WorkspaceFault.Limit,
            _ => WorkspaceFault.Io,
        };
        return new WorkspaceException(fault, $"The chunk store: {exception.Status.Detail}", exception);
    }

    /// <summary>Whether another try may end otherwise.</summary>
    public static bool IsPassing(RpcException exception) =>
        exception.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Unknown;

    public void Dispose() => channel.Dispose();
}
