using System.Diagnostics;
using System.Text.Json;
using Marionette.Gateway.Json;

namespace Marionette.Gateway.Problems;

/// <summary>Writes faults as <c>application/problem+json</c>.</summary>
internal static class ProblemWriter
{
    /// <summary>What the log and the answer have in common.</summary>
    public static string TraceId(HttpContext http) => Activity.Current?.TraceId.ToHexString() ?? http.TraceIdentifier;

    public static async Task WriteAsync(HttpContext http, Fault fault)
    {
        var problem = fault.Problem;
        var body = new ProblemModel
        {
            Type = $"/problems/{problem.Slug}",
            Title = problem.Title,
            Status = fault.Status ?? problem.Status,
            Detail = fault.Detail,
            Code = problem.Name,
            Message = fault.Detail,
            TraceId = TraceId(http),
            Errors = fault.Errors.IsEmpty ? null : [.. fault.Errors.Select(error => new FieldErrorModel(error.Field, error.Message))],
            RetryAfter = fault.RetryAfter,
        };
        var response = http.Response;
        response.StatusCode = body.Status;
        response.ContentType = "application/problem+json";
        if (body.RetryAfter is { } seconds) response.Headers.RetryAfter = seconds.ToString();
        await response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(body, GatewayJsonContext.Plain.ProblemModel), http.RequestAborted);
    }
}
