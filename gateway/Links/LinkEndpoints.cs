using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Problems;
using Marionette.Gateway.Rest;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;
using Marionette.Sessions;

namespace Marionette.Gateway.Links;

/// <summary>Makes links that answer a request without a key, and the page behind them.</summary>
internal static class LinkEndpoints
{
    private const int MaxForm = 16 * 1024, SevenDays = 7 * 24 * 3600;
    private static readonly string[] AllActions = ["approve", "deny"];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/permissions/{id}/links", CreateAsync)
            .Api("permissions:write", "CreatePermissionLink", "Make a link by which one person answers it once, without a key", 404, 409, 413)
            .Accepts<CreateLinkModel>("application/json").Produces<LinkModel>(201);
        routes.MapGet("/links/{token}", ShowAsync).ExcludeFromDescription();
        routes.MapPost("/links/{token}", AnswerAsync).ExcludeFromDescription();
    }

    private static async Task<IResult> CreateAsync(string id, HttpContext http, Api api, StateReader rows, PermissionLinks links, GatewayOptions options)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var request = await PermissionEndpoints.FindAsync(id, http, rows);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateLinkModel);
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(errors.Text("actor", model.Actor, 200))) errors.Add("actor", "is required");
        var seconds = errors.Number("expires_in", model.ExpiresIn, 60, SevenDays, 3600);
        string[] actions = model.Actions is null ? AllActions : [.. model.Actions.OfType<string>().Distinct()];
        if (actions.Length == 0 || actions.Except(AllActions).Any()) errors.Add("actions", "must be among approve, deny");
        errors.ThrowIfAny();
        if (request.Status != PermissionStatus.Pending) throw new MarionetteException(FaultCode.AlreadyDecided, $"It is {EnumText<PermissionStatus>.Of(request.Status)} already.");
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.PermissionLink));
        var until = api.Clock.GetUtcNow() + TimeSpan.FromSeconds(seconds);
        if (until > request.ExpiresAt) until = request.ExpiresAt;
        var link = new PermissionLink(
            reservation.ResultId, caller.Tenant, request.SessionId, request.Id, model.Actor!.Trim(), caller.KeyId, until.ToUnixTimeSeconds(), actions);
        var root = options.PublicUrl?.TrimEnd('/') ?? $"{http.Request.Scheme}://{http.Request.Host}";
        http.Response.Headers.CacheControl = "no-store";
        return Api.Ok(
            new LinkModel(link.Id, id, $"{root}/links/{links.Sign(link)}", link.Actor, actions, DateTimeOffset.FromUnixTimeSeconds(link.Expires).UtcDateTime),
            GatewayJsonContext.Plain.LinkModel, StatusCodes.Status201Created);
    }

    /// <summary>Shows and changes nothing: mail scanners and previews open links too.</summary>
    private static async Task<IResult> ShowAsync(string token, HttpContext http, Api api, StateReader rows, PermissionLinks links, ApiKeyStore keys)
    {
        var (link, view, refusal) = await OpenAsync(token, http, api, rows, links, keys);
        return refusal ?? LinkPages.Question(http, view!, link!);
    }

    private static async Task<IResult> AnswerAsync(string token, HttpContext http, Api api, StateReader rows, PermissionLinks links, ApiKeyStore keys)
    {
        var (link, view, refusal) = await OpenAsync(token, http, api, rows, links, keys);
        if (refusal is not null) return refusal;
        if (!http.Request.HasFormContentType || http.Request.ContentLength is null or > MaxForm) return LinkPages.Notice(http, 400, "That is no answer", "Use the buttons of the page.");
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        var (action, reason) = (form["action"].ToString(), form["reason"].ToString());
        if (!link!.Actions.Contains(action)) return LinkPages.Notice(http, 403, "This link does not do that", "It was made for another answer.");
        if (reason.Length > ReasonRules.MaxLength) return LinkPages.Notice(http, 400, "The reason is too long", $"It may have {ReasonRules.MaxLength} characters.");
        var allow = action == "approve";
        var session = api.Grain<ISessionGrain>(new Caller(link.Creator, null, link.Tenant, []), EntityId.Session, link.Session);
        var command = new DecidePermission(
            link.Permission, link.Id, allow, $"{link.Actor} (link {link.Id})", reason.Length == 0 ? null : reason, null, false, null, link.Actor, link.Actor);
        try
        {
            var answered = await api.CallAsync(call => session.DecidePermissionAsync(command, call), http.RequestAborted);
            return answered.Status == PermissionStatus.Pending
                ? LinkPages.Notice(http, 200, "Noted", $"You have approved it. It needs {answered.RequiredApprovals} approvals and has {answered.Approvals.Length}.")
                : LinkPages.Notice(http, 200, allow ? "Approved" : "Denied", !view!.BySession ? "The agent is being told. You can close this page." : "You can close this page.");
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            var fault = FaultMapper.Map(exception, changes: true);
            return LinkPages.Notice(http, fault.Problem.Status, fault.Problem.Title, fault.Detail);
        }
    }

    /// <summary>Everything is looked at again at each click: the signature, the time, the key behind it, the request.</summary>
    private static async Task<(PermissionLink? Link, PermissionView? View, IResult? Refusal)> OpenAsync(
        string token, HttpContext http, Api api, StateReader rows, PermissionLinks links, ApiKeyStore keys)
    {
        var now = api.Clock.GetUtcNow();
        if (links.Read(token) is not { } link) return (null, null, LinkPages.Notice(http, 404, "There is no such link", "It may have been cut on its way to you."));
        PermissionView? view;
        ApiKeyRecord? key;
        try
        {
            view = await rows.FindAsync("permission", link.Tenant, link.Permission, StateJsonContext.Default.PermissionView, http.RequestAborted);
            key = await keys.GetAsync(link.Tenant, link.Creator, http.RequestAborted);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            var fault = FaultMapper.Map(exception, changes: false);
            return (link, null, LinkPages.Notice(http, fault.Problem.Status, fault.Problem.Title, "Try again in a moment."));
        }

        if (view is null) return (link, null, LinkPages.Notice(http, 404, "There is no such request", "It is gone."));
        if (view.DecidedByCommand == link.Id || view.Approvals.Any(a => a.CommandId == link.Id))
            return (link, view, LinkPages.Notice(http, 410, "This link was used", "It answers once, and it has."));
        if (view.Status != PermissionStatus.Pending) return (link, view, LinkPages.Notice(http, 410, "The request has its answer", LinkPages.AnswerOf(view)));
        if (now.ToUnixTimeSeconds() >= link.Expires) return (link, view, LinkPages.Notice(http, 410, "This link has expired", "Ask for another one."));
        if (key is null || key.RevokedAt is not null || key.ExpiresAt <= now)
            return (link, view, LinkPages.Notice(http, 410, "This link was withdrawn", "The key that made it is no longer valid."));
        return (link, view, null);
    }
}
