namespace Marionette.Gateway.Problems;

/// <summary>Everything that fails under <c>/api</c> leaves as a problem, whoever threw it, and is logged once.</summary>
internal sealed partial class ProblemMiddleware(RequestDelegate next, ILogger<ProblemMiddleware> log)
{
    public async Task InvokeAsync(HttpContext http)
    {
        if (!http.Request.Path.StartsWithSegments("/api"))
        {
            await next(http);
            return;
        }
        try
        {
            await next(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            return; // nobody is there to read an answer
        }
        catch (Exception exception)
        {
            await AnswerAsync(http, exception);
            return;
        }
        if (http.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null }) await ProblemWriter.WriteAsync(http, OfStatus(http));
    }

    private async Task AnswerAsync(HttpContext http, Exception exception)
    {
        var changes = !HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method);
        var fault = FaultMapper.Map(exception, changes);
        // The route's pattern, not the path: paths hold ids and queries may hold a token.
        var route = (http.GetEndpoint() as Microsoft.AspNetCore.Routing.RouteEndpoint)?.RoutePattern.RawText ?? "unknown";
        if (fault.Code is FaultCode.Internal or FaultCode.Unknown) LogInternal(http.Request.Method, route, ProblemWriter.TraceId(http), exception);
        else if (fault.Code is FaultCode.Unavailable or FaultCode.OutcomeUnknown)
            LogUnavailable(http.Request.Method, route, fault.Problem.Name, ProblemWriter.TraceId(http), exception.GetType().Name, exception.Message);
        if (http.Response.HasStarted)
        {
            http.Abort(); // half an answer must not look like a whole one
            return;
        }
        http.Response.Clear();
        await ProblemWriter.WriteAsync(http, fault);
    }

    private static Fault OfStatus(HttpContext http)
    {
        var status = http.Response.StatusCode;
        return status switch
        {
            StatusCodes.Status404NotFound => new(FaultCode.NotFound, "There is no such route.", []),
            StatusCodes.Status405MethodNotAllowed => new(FaultCode.Invalid, $"This route does not take {http.Request.Method}.", [], status),
            StatusCodes.Status415UnsupportedMediaType => new(FaultCode.Invalid, "Send the body as application/json.", [], status),
            StatusCodes.Status413PayloadTooLarge => new(FaultCode.TooLarge, "The body is larger than this server takes.", []),
            < 500 => new(FaultCode.Invalid, "The server refused the request.", [], status),
            _ => new(FaultCode.Internal, "Something went wrong on this side; the log has it under this trace id.", [], status),
        };
    }

    [LoggerMessage(6001, LogLevel.Error, "{Method} {Route} failed, trace {TraceId}", EventName = "gateway.request.failed")]
    private partial void LogInternal(string method, string route, string traceId, Exception exception);

    [LoggerMessage(6002, LogLevel.Warning, "{Method} {Route} answered {Code}, trace {TraceId}: {Kind}: {Cause}", EventName = "gateway.request.unavailable")]
    private partial void LogUnavailable(string method, string route, string code, string traceId, string kind, string cause);
}
