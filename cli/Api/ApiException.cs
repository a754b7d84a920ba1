using System.Globalization;
using System.Net;
using System.Text.Json;
using Marionette.Cli.Output;

namespace Marionette.Cli.Api;

/// <summary>The server's answer was a problem (RFC 9457). The message is the problem's detail; the hint follows from its code.</summary>
internal sealed class ApiException(HttpStatusCode status, string? code, string message, string? hint)
    : CliException(message, hint, status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? Cli.ExitCode.NotAuthorized : Cli.ExitCode.Failure)
{
    public HttpStatusCode Status { get; } = status;

    /// <summary>The problem's code, one of <c>docs/reference/errors.md</c>; null when the answer was no problem document.</summary>
    public string? Code { get; } = code;

    /// <summary>The same request may work a little later.</summary>
    public bool IsTransient => Status is HttpStatusCode.ServiceUnavailable or HttpStatusCode.BadGateway or HttpStatusCode.GatewayTimeout
        or HttpStatusCode.TooManyRequests;

    /// <summary>Reads the problem of a response. A body that is none (a proxy's page, for example) is replaced by the status.</summary>
    public static async Task<ApiException> FromAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = response.StatusCode;
        var text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        JsonElement problem;
        try
        {
            problem = JsonRead.Parse(text);
        }
        catch (JsonException)
        {
            return new ApiException(status, null, string.Create(CultureInfo.InvariantCulture, $"the server answered {(int)status} {response.ReasonPhrase}"), HintFor(status, null));
        }
        var code = problem.Text("code");
        var detail = problem.Text("detail") ?? problem.Text("message") ?? problem.Text("title") ?? $"the server answered {(int)status}";
        var errors = problem.Items("errors").Select(Error).Where(error => error.Length > 0).ToArray();
        if (errors.Length > 0)
            detail = $"{detail.TrimEnd('.')}: {string.Join("; ", errors)}";
        if ((int)status >= 500 && problem.Text("trace_id") is { } trace)
            detail += $" (trace {trace})";
        return new ApiException(status, code, detail, HintFor(status, code));
    }

    private static string Error(JsonElement error) => error.ValueKind == JsonValueKind.String
        ? error.GetString()!
        : string.Join(" ", new[] { error.Text("field") ?? error.Text("path"), error.Text("message") ?? error.Text("detail") }.Where(part => part is not null));

    private static string? HintFor(HttpStatusCode status, string? code) => (code, status) switch
    {
        (_, HttpStatusCode.Unauthorized) => "Give the API key with --api-key, MARIONETTE_API_KEY or 'marionette config set-context'.",
        (_, HttpStatusCode.Forbidden) => "'marionette keys create' makes a key with more scopes, if yours may.",
        ("queue_full", _) => "Wait for a task of the session to end, or use another session.",
        ("outcome_unknown", _) => "Look before you repeat it: it may have been done.",
        (_, HttpStatusCode.NotFound) => "Ids of another tenant look the same as ids that do not exist; the list command shows yours.",
        (_, HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout or HttpStatusCode.BadGateway) => "Try again in a moment; 'marionette doctor' shows what is wrong.",
        _ => null,
    };
}
