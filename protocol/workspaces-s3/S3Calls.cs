using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using Amazon.Runtime;

namespace Marionette.Workspaces.S3;

/// <summary>
/// Calls of the service: again, after a growing pause, when the service was busy or the line broke; otherwise as a fault that names object and reason. What the
/// service says in free text is left out: it may repeat what it was sent.
/// </summary>
internal sealed class S3Calls(S3Place place, TimeProvider clock, int attempts = S3Calls.UsualAttempts)
{
    /// <summary>Some 13 s of pauses in all.</summary>
    public const int UsualAttempts = 8;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(5);

    /// <summary>Longer than a pack takes on a slow line; a call that hangs is given up, and made again.</summary>
    private static readonly TimeSpan AttemptLimit = TimeSpan.FromSeconds(90);

    /// <param name="key">The object, or the prefix of a list.</param>
    /// <param name="call">One attempt; it may run more than once.</param>
    /// <exception cref="WorkspaceException">Missing: there is no such object. Io.</exception>
    public async Task<T> RunAsync<T>(string key, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var limit = new CancellationTokenSource(AttemptLimit, clock);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                return await call(both.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is not WorkspaceException && !cancellationToken.IsCancellationRequested)
            {
                if (attempt == attempts || !IsPassing(exception))
                    throw Translate(key, exception);
            }
            catch (Exception exception) when (exception is not WorkspaceException)
            {
                throw new OperationCanceledException("Canceled.", exception, cancellationToken);
            }

            await Task.Delay(PauseAfter(attempt), clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private static TimeSpan PauseAfter(int attempt)
    {
        var most = Math.Min(FirstPause.TotalMilliseconds * (1 << (attempt - 1)), LongestPause.TotalMilliseconds);
        // Half of it by chance: who was turned away together does not come back together.
        return TimeSpan.FromMilliseconds((most / 2) + RandomNumberGenerator.GetInt32((int)most / 2));
    }

    private static bool IsPassing(Exception exception) => exception switch
    {
        // A body of XML that broke off: the SDK keeps the 200 that it began with.
        AmazonUnmarshallingException => true,
        AmazonServiceException { StatusCode: >= HttpStatusCode.InternalServerError } refused => refused.StatusCode != HttpStatusCode.NotImplemented,
        AmazonServiceException { StatusCode: HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout } => true,
        AmazonServiceException { ErrorCode: "SlowDown" or "RequestTimeout" or "Throttling" or "ThrottlingException" } => true,
        // 409: another conditional put of the same name is under way.
        AmazonServiceException { ErrorCode: "ConditionalRequestConflict" or "OperationAborted" } => true,
        // No answer at all: the line.
        AmazonServiceException { StatusCode: 0 } => true,
        AmazonClientException { InnerException: { } inner } => IsPassing(inner),
        _ => exception is HttpRequestException or IOException or TimeoutException or OperationCanceledException,
    };

    private WorkspaceException Translate(string key, Exception exception)
    {
        var what = $"s3://{place.Bucket}/{key}";
        return exception switch
        {
            AmazonServiceException { ErrorCode: "NoSuchBucket" } refused => Io($"{what}: there is no bucket {place.Bucket} here (NoSuchBucket).", Refusal(refused)),
            AmazonServiceException { StatusCode: HttpStatusCode.NotFound } refused =>
                new WorkspaceException(WorkspaceFault.Missing, $"{what} is not in the store.", Refusal(refused)),
            AmazonServiceException { StatusCode: not 0 } refused =>
                Io($"{what}: refused with {(int)refused.StatusCode} {Code(refused)}{Advice(refused)}.", Refusal(refused)),
            AmazonClientException when exception.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase) =>
                Io($"{what}: no credentials were found, or they cannot be used; docs/guides/s3.md says where they are looked for.", exception),
            OperationCanceledException => Io($"{what}: no answer within {AttemptLimit.TotalSeconds:0} s.", exception),
            _ => Io($"{what}: no answer{Reason(exception)}.", exception),
        };
    }

    private static WorkspaceException Io(string message, Exception exception) => new(WorkspaceFault.Io, message, exception);

    private static S3Refusal Refusal(AmazonServiceException refused) => new(refused.StatusCode, Code(refused));

    private static string Code(AmazonServiceException refused) => string.IsNullOrEmpty(refused.ErrorCode) ? refused.StatusCode.ToString() : refused.ErrorCode;

    private static string Advice(AmazonServiceException refused) => refused.ErrorCode switch
    {
        "AccessDenied" or "Forbidden" => ": the credentials lack a right; docs/guides/s3.md has the policy",
        "InvalidAccessKeyId" or "SignatureDoesNotMatch" => ": the service does not know these credentials",
        "ExpiredToken" or "InvalidToken" => ": the session token is over",
        "RequestTimeTooSkewed" => ": this machine's clock is wrong",
        "PermanentRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException" => ": the bucket is in another region",
        _ => "",
    };

    /// <summary>What the system says of the line: such texts hold no request.</summary>
    private static string Reason(Exception exception)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
            if (inner is SocketException or AuthenticationException or HttpRequestException { HttpRequestError: not HttpRequestError.Unknown })
                return $" ({inner.Message.ReplaceLineEndings(" ")})";
        return "";
    }
}

/// <summary>What the service answered, without the text that came with it: a log prints inner exceptions as well.</summary>
internal sealed class S3Refusal(HttpStatusCode status, string code) : Exception($"{(int)status} {code}")
{
    public HttpStatusCode Status => status;
}
