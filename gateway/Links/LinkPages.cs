using System.Net;
using System.Text;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;

namespace Marionette.Gateway.Links;

/// <summary>The pages behind links: no script, nothing from elsewhere, nothing that a browser keeps or hands on.</summary>
internal static class LinkPages
{
    private const string Style =
        "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f3f3;padding:.7rem}"
        + "button{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}textarea{width:100%;font:inherit}dt{font-weight:600;margin-top:.6rem}dd{margin:0;overflow-wrap:anywhere}";

    private const int MaxShown = 8000;

    public static IResult Question(HttpContext http, PermissionView view, PermissionLink link)
    {
        var page = new StringBuilder();
        page.Append(!view.BySession ? $"<p>An agent asks whether it may use <strong>{Encode(view.Tool)}</strong>." : $"<p>{Encode(view.Description ?? "")}").Append($" You answer as <strong>{Encode(link.Actor)}</strong>.<dl>");
        Row(page, "Risk", view.RiskLevel + (view.RiskReasons.IsEmpty ? "" : ": " + string.Join(", ", view.RiskReasons)));
        Row(page, "What it is for", view.Title ?? view.Description);
        Row(page, "Why it asks", view.Why);
        Row(page, "Paths", string.Join(", ", view.Paths));
        Row(page, "Hosts", string.Join(", ", view.Hosts));
        Row(page, "Session, task", $"{view.SessionId}, {view.TaskId}");
        if (view.ExpiresAt != PermissionView.Never) Row(page, "Denied by itself at", view.ExpiresAt.UtcDateTime.ToString("u"));
        page.Append("</dl>");
        Block(page, view.Command ?? view.Diff ?? view.Action);
        page.Append("<form method=\"post\"><p><label>Reason (the agent reads it with a no)<br><textarea name=\"reason\" rows=\"2\" maxlength=\"1000\"></textarea></label><p>");
        foreach (var action in link.Actions)
            page.Append($"<button name=\"action\" value=\"{action}\">{(action == "approve" ? "Approve" : "Deny")}</button>");
        return Page(http, 200, "May it?", page.Append("</form>").ToString());
    }

    public static IResult Notice(HttpContext http, int status, string title, string text) => Page(http, status, title, $"<p>{Encode(text)}");

    public static string AnswerOf(PermissionView view) =>
        $"It is {EnumText<PermissionStatus>.Of(view.Status)}{(view.RespondedBy is null ? "" : $" by {view.RespondedBy}")}.";

    private static void Row(StringBuilder page, string name, string? text)
    {
        if (!string.IsNullOrEmpty(text)) page.Append($"<dt>{name}</dt><dd>{Encode(text)}</dd>");
    }

    private static void Block(StringBuilder page, string text) =>
        page.Append($"<pre>{Encode(text.Length > MaxShown ? $"{text[..MaxShown]}…" : text)}</pre>")
            .Append(text.Length > MaxShown ? $"<p>{text.Length - MaxShown} more characters are not shown here." : "");

    private static IResult Page(HttpContext http, int status, string title, string body)
    {
        var headers = http.Response.Headers;
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["X-Robots-Tag"] = "noindex";
        return Results.Content(
            $"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{Encode(title)}</title>"
            + $"<style>{Style}</style><h1>{Encode(title)}</h1>{body}</html>", "text/html; charset=utf-8", statusCode: status);
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
