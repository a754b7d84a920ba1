using System.Collections.Immutable;
using Marionette.Workspaces;
using Npgsql;
using Orleans.Runtime.Messaging;

namespace Marionette.Gateway.Problems;

/// <summary>What went wrong, ready to be shown.</summary>
/// <param name="Status">Differs from the catalog's only for what the server itself refused (405, 415).</param>
internal sealed record Fault(FaultCode Code, string Detail, ImmutableArray<FieldError> Errors, int? Status = null, int? RetryAfter = null)
{
    public Problem Problem => ProblemCatalog.Of(Code);
}

/// <summary>Exceptions to faults. What it does not know is internal, and says nothing of itself.</summary>
internal static class FaultMapper
{
    private const int RetrySeconds = 2;

    /// <param name="exception">What was thrown.</param>
    /// <param name="changes">The request was a command: when no answer came, it may still have been done.</param>
    public static Fault Map(Exception exception, bool changes) => exception switch
    {
        MarionetteException fault => new(fault.Code, fault.Message, fault.Errors.IsDefault ? [] : fault.Errors, RetryAfter: RetryOf(fault.Code)),
        WorkspaceException fault => Of(fault),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new(FaultCode.TooLarge, "The body is larger than this server takes.", []),
        BadHttpRequestException bad => new(FaultCode.Invalid, bad.Message, [], bad.StatusCode),
        TimeoutException or SiloUnavailableException => changes
            ? new(FaultCode.OutcomeUnknown, "No answer came in time. It may have been done.", [], RetryAfter: RetrySeconds)
            : Unavailable("No answer came in time."),
        OrleansMessageRejectionException or GatewayTooBusyException or ConnectionFailedException or ClientNotAvailableException =>
            Unavailable("The cluster cannot be reached now."),
        NpgsqlException { IsTransient: true } or PostgresException { SqlState: ['5', '7', ..] or ['5', '3', ..] } =>
            Unavailable("The database cannot be reached now."),
        // Npgsql wraps a refused connection without calling it transient on every path.
        NpgsqlException { InnerException: IOException or System.Net.Sockets.SocketException or TimeoutException } =>
            Unavailable("The database cannot be reached now."),
        ObjectDisposedException or OperationCanceledException => Unavailable("The server is stopping."),
        _ => new(FaultCode.Internal, "Something went wrong on this side; the log has it under this trace id.", []),
    };

    /// <summary>Words about what is stored go out; what the file system or the keys say stays in the log.</summary>
    private static Fault Of(WorkspaceException fault) => fault.Fault switch
    {
        WorkspaceFault.Missing => new(FaultCode.NotFound, fault.Message, []),
        WorkspaceFault.Invalid => new(FaultCode.Invalid, fault.Message, []),
        WorkspaceFault.Limit => new(FaultCode.TooLarge, fault.Message, []),
        WorkspaceFault.Busy => new(FaultCode.Conflict, fault.Message, []),
        WorkspaceFault.Corrupt => new(FaultCode.Internal, $"What is stored is damaged. {fault.Message}", []),
        WorkspaceFault.WrongKey => new(FaultCode.Internal, "The tenant's keys do not open with this installation's master key.", []),
        WorkspaceFault.UnsupportedVersion => new(FaultCode.Internal, "A newer version wrote this: update the gateway.", []),
        _ => new(FaultCode.Unavailable, "The chunk store refuses; again later.", [], RetryAfter: RetrySeconds),
    };

    private static Fault Unavailable(string detail) => new(FaultCode.Unavailable, detail, [], RetryAfter: RetrySeconds);

    private static int? RetryOf(FaultCode code) => ProblemCatalog.Of(code).Retryable ? RetrySeconds : null;
}
