using Grpc.Core;
using Marionette.Workspaces;
using Npgsql;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// What a runner is told of failures. Words of the library about stored objects go out; what the file system or the keys say stays in the log.
/// </summary>
internal static class Refusals
{
    public static RpcException Invalid(string why) => new(new Status(StatusCode.InvalidArgument, why));

    public static RpcException NotFound(string what) => new(new Status(StatusCode.NotFound, what));

    public static RpcException NoStore() => new(new Status(StatusCode.FailedPrecondition, "This installation keeps no chunk store."));

    public static RpcException NotNow() => new(new Status(StatusCode.Unavailable, "Not now; again later."));

    /// <summary>The status that says what a failure means for the caller.</summary>
    public static RpcException Of(Exception failure) => failure switch
    {
        RpcException said => said,
        WorkspaceException fault => Of(fault),
        MarionetteException { Code: FaultCode.TokenRefused } refused => new(new Status(StatusCode.Unauthenticated, refused.Message)),
        MarionetteException { Code: FaultCode.Fenced } fenced => new(new Status(StatusCode.FailedPrecondition, fenced.Message)),
        MarionetteException { Code: FaultCode.TooLarge } full => new(new Status(StatusCode.ResourceExhausted, full.Message)),
        MarionetteException or OrleansException or NpgsqlException or TimeoutException or IOException or OperationCanceledException => NotNow(),
        _ => new(new Status(StatusCode.Internal, "The gateway failed; its log says more.")),
    };

    /// <summary>Whether the one to act is whoever runs this gateway, not the caller.</summary>
    public static bool IsOurs(RpcException refusal) => refusal.StatusCode is StatusCode.Unavailable or StatusCode.DataLoss or StatusCode.Internal;

    private static RpcException Of(WorkspaceException fault) => new(fault.Fault switch
    {
        WorkspaceFault.Corrupt => new Status(StatusCode.DataLoss, fault.Message),
        WorkspaceFault.Missing => new Status(StatusCode.NotFound, fault.Message),
        WorkspaceFault.Busy => new Status(StatusCode.Aborted, fault.Message),
        WorkspaceFault.Invalid or WorkspaceFault.Limit => new Status(StatusCode.InvalidArgument, fault.Message),
        WorkspaceFault.WrongKey => new Status(StatusCode.FailedPrecondition, "The tenant's keys do not open with this installation's master key."),
        WorkspaceFault.UnsupportedVersion => new Status(StatusCode.FailedPrecondition, "A newer version wrote this: update the gateway."),
        _ => new Status(StatusCode.Unavailable, "The chunk store refuses; again later."),
    });
}
