namespace Marionette.ModelServer.Http;

/// <summary>An answer in the API's error shape. Thrown before the response has started.</summary>
internal sealed class ApiException(int status, string type, string message, int? retryAfterSeconds = null)
    : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>The API's error type, such as <c>rate_limit_error</c>.</summary>
    public string Type { get; } = type;

    public int? RetryAfterSeconds { get; } = retryAfterSeconds;

    /// <summary>When a used-up quota is there again, seconds since the Unix epoch.</summary>
    public long? ResetsAt { get; init; }

    public static ApiException Invalid(string message) => new(400, "invalid_request_error", message);

    /// <summary>The error type that the API pairs with an HTTP status.</summary>
    public static string TypeOf(int status) => status switch
    {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
}
