using System.Net;
using Marionette.Gateway.Problems;

namespace Marionette.Gateway.Pages;

/// <summary>What a problem's <c>type</c> leads to: a page for people.</summary>
internal static class ProblemPages
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/problems", () => Html("Problems", string.Concat(ProblemCatalog.All.Select(problem =>
            $"<tr><td><a href=\"/problems/{problem.Slug}\"><code>{problem.Name}</code></a><td>{problem.Status}<td>{Encode(problem.Title)}")), "table"))
            .ExcludeFromDescription();
        routes.MapGet("/problems/{slug}", (string slug) => ProblemCatalog.Find(slug) is { } problem
            ? Html(problem.Title,
                $"<p><code>{problem.Name}</code>, HTTP {problem.Status}, {(problem.Retryable ? "worth a retry" : "a retry does not help")}."
                + $"<p>{Encode(problem.Meaning)}<p><a href=\"/problems\">All problems</a>", "div")
            : Results.Text("There is no such problem.", "text/plain", statusCode: StatusCodes.Status404NotFound))
            .WithGroupName(Rest.EndpointDeclarations.Document).WithTags("server").WithSummary("What a problem means, for people").Produces(200, contentType: "text/html").Produces(404);
    }

    private static IResult Html(string title, string body, string element) => Results.Content(
        $"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{Encode(title)}</title><style>body{{font:16px/1.5 system-ui,sans-serif;"
        + $"max-width:46rem;margin:3rem auto;padding:0 1rem}}td{{padding:.2rem .8rem .2rem 0}}</style><h1>{Encode(title)}</h1><{element}>{body}</{element}></html>",
        "text/html; charset=utf-8");

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
