using System.Reflection;

namespace Marionette.Gateway.Pages;

/// <summary>The contract as a page: one file, drawn in the browser from <c>/openapi.json</c>, with nothing fetched from elsewhere.</summary>
internal static class DocsPage
{
    private static readonly byte[] Html = Load();

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/docs", static (HttpContext http) =>
        {
            http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
            return Results.Bytes(Html, "text/html; charset=utf-8");
        }).WithGroupName(Rest.EndpointDeclarations.Document).WithTags("server").WithSummary("This contract as a page").Produces(200, contentType: "text/html");

    private static byte[] Load()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("docs.html") ?? throw new InvalidOperationException("docs.html is not embedded.");
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
