using Marionette.Gateway.Problems;
using Microsoft.Extensions.Primitives;

namespace Marionette.Gateway.Auth;

/// <summary>Turns the bearer token into a <see cref="Caller"/> for every endpoint that needs a scope.</summary>
internal sealed class AuthMiddleware(RequestDelegate next, ApiKeyStore keys)
{
    private const string Scheme = "Bearer ";
    private static readonly object CallerKey = new();

    /// <summary>Who asks, on an endpoint that has <see cref="ScopeMetadata"/>.</summary>
    public static Caller CallerOf(HttpContext http) =>
        http.Items[CallerKey] as Caller ?? throw new InvalidOperationException("The endpoint has no scope, so nobody was authenticated.");

    public async Task InvokeAsync(HttpContext http)
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<ScopeMetadata>() is not { } needed)
        {
            await next(http);
            return;
        }
        if (TokenOf(http.Request, needed.TokenInQuery) is not { } token)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer realm=\"marionette\"";
            await ProblemWriter.WriteAsync(http, new(FaultCode.Unauthenticated, "Send an API key: Authorization: Bearer mk_…", []));
            return;
        }
        if (await keys.FindAsync(token, http.RequestAborted) is not { } caller)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer realm=\"marionette\", error=\"invalid_token\"";
            await ProblemWriter.WriteAsync(http, new(FaultCode.Unauthenticated, "The API key is unknown, revoked or expired.", []));
            return;
        }
        if (!caller.Has(needed.Scope))
        {
            http.Response.Headers.WWWAuthenticate = $"Bearer realm=\"marionette\", error=\"insufficient_scope\", scope=\"{needed.Scope}\"";
            await ProblemWriter.WriteAsync(http, new(FaultCode.Forbidden, $"This needs the scope {needed.Scope}.", []));
            return;
        }
        http.Items[CallerKey] = caller;
        await next(http);
    }

    private static string? TokenOf(HttpRequest request, bool inQuery)
    {
        var header = request.Headers.Authorization;
        if (!StringValues.IsNullOrEmpty(header))
        {
            var value = header.Count == 1 ? header[0]! : "";
            return value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? value[Scheme.Length..].Trim() : "";
        }
        return inQuery && request.Query["token"] is [{ Length: > 0 } token] ? token : null;
    }
}
