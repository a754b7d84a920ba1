using System.Text.Json;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

internal static class PermissionEndpoints
{
    private const string Read = "permissions:read", Write = "permissions:write";
    private static readonly string[] RiskLevels = ["low", "medium", "high", "critical"];
    private static readonly string[] Scopes = ["task", "session", "tenant"];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/permissions", ListAsync).Api(Read, "ListPermissions", "Permission requests, newest first")
            .Produces<ListModel<PermissionRequestModel>>().Paged()
            .Query("session_id", "Of this session", true).Query("task_id", "Of this task", true)
            .Query("status", "pending, approved, denied, expired, canceled", true).Query("risk_level", "low, medium, high, critical", true)
            .Query("category", "command, read, edit, …", true).Query("tool", "Of this tool", true);
        routes.MapGet("/api/v1/permissions/{id}", GetAsync).Api(Read, "GetPermission", "A permission request", 404).Produces<PermissionRequestModel>();
        routes.MapPost("/api/v1/permissions/{id}/approve", ApproveAsync)
            .Api(Write, "ApprovePermission", "Allow it; the first answer stands. With `remember` the answer shows the rule that it made", 404, 409, 413)
            .Accepts<ApprovePermissionModel>(true, "application/json").Produces(204).Produces<RememberedModel>(200);
        routes.MapPost("/api/v1/permissions/{id}/deny", DenyAsync).Api(Write, "DenyPermission", "Refuse it; the first answer stands", 404, 409, 413)
            .Accepts<DenyPermissionModel>(true, "application/json").Produces(204);
        routes.MapPost("/api/v1/permissions/{id}/delegate", DelegateAsync).Api(Write, "DelegatePermission", "Hand it on to somebody else", 404, 409, 413)
            .Accepts<DelegatePermissionModel>("application/json").Produces<PermissionRequestModel>();
    }

    /// <summary>The request's row.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    public static async Task<PermissionView> FindAsync(string id, HttpContext http, StateReader rows)
    {
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        Api.Known(EntityId.Permission, id);
        return await rows.FindAsync("permission", tenant, id, StateJsonContext.Default.PermissionView, http.RequestAborted)
            ?? throw Api.NotFound(EntityId.Permission);
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("permission", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Permission))
        {
            Status = query.Many("status", EnumText<PermissionStatus>.Filters),
            SessionId = query.Many("session_id"),
            Members =
            [
                ("task_id", query.Many("task_id")), ("risk_level", query.Many("risk_level", RiskLevels)), ("category", query.Many("category")),
                ("tool", query.Many("tool")),
            ],
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.PermissionView, http.RequestAborted);
        return Api.Ok(page.ToList(PermissionRequestModel.Of, permission => permission.Id), GatewayJsonContext.Plain.PermissionRequestList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, StateReader rows) =>
        Api.Ok(PermissionRequestModel.Of(await FindAsync(id, http, rows)), GatewayJsonContext.Plain.PermissionRequestModel);

    private static async Task<IResult> ApproveAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.ApprovePermissionModel, new ApprovePermissionModel());
        var errors = new FieldErrors();
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        if (model.UpdatedInput is { ValueKind: not JsonValueKind.Object }) errors.Add("updated_input", "must be an object");
        if (model.Remember is { } scope && !Scopes.Contains(scope)) errors.Add("remember", $"must be one of {string.Join(", ", Scopes)}");
        errors.ThrowIfAny();
        var caller = AuthMiddleware.CallerOf(http);
        // A rule of the tenant is a policy: whoever may only answer must not write one.
        if (model.Remember == "tenant" && !caller.Has("policies:write")) throw new MarionetteException(FaultCode.Forbidden, "This needs the scope policies:write.");
        var input = model.UpdatedInput is { } element ? JsonSerializer.SerializeToUtf8Bytes(element, GatewayJsonContext.Plain.JsonElement) : null;
        var view = await DecideAsync(id, http, api, rows, body, commandId => new DecidePermission(
            id, commandId, true, caller.Actor, model.Reason, input, false, model.Remember, caller.KeyId, caller.KeyName));
        if (view?.Remembered is not { } rule || model.Remember is null) return TypedResults.NoContent();
        if (rule.Scope == "tenant")
        {
            var policies = api.Singleton<ITenantPolicyGrain>(caller, ITenantPolicyGrain.Id);
            await api.CallAsync(token => policies.PutRuleAsync(rule, null, null, token), http.RequestAborted);
        }

        return Api.Ok(new RememberedModel(id, PolicyModel.Of(rule)), GatewayJsonContext.Plain.RememberedModel);
    }

    private static async Task<IResult> DenyAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.DenyPermissionModel, new DenyPermissionModel());
        var errors = new FieldErrors();
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        errors.ThrowIfAny();
        var caller = AuthMiddleware.CallerOf(http);
        await DecideAsync(id, http, api, rows, body, commandId => new DecidePermission(
            id, commandId, false, caller.Actor, model.Reason, null, model.Interrupt ?? false, null, caller.KeyId, caller.KeyName));
        return TypedResults.NoContent();
    }

    private static async Task<PermissionView?> DecideAsync(
        string id, HttpContext http, Api api, StateReader rows, ReadOnlyMemory<byte> body, Func<string, DecidePermission> command)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var request = await FindAsync(id, http, rows);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, request.SessionId);
        var decision = command(reservation.Key ?? reservation.ResultId);
        return await api.CallAsync(token => session.DecidePermissionAsync(decision, token), http.RequestAborted);
    }

    private static async Task<IResult> DelegateAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var request = await FindAsync(id, http, rows);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.DelegatePermissionModel);
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(errors.Text("to", model.To, 200))) errors.Add("to", "is required");
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        errors.ThrowIfAny();
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, request.SessionId);
        var command = new DelegatePermission(
            id, reservation.Key ?? reservation.ResultId, caller.Actor, caller.KeyId, caller.KeyName, model.To!.Trim(), model.Reason);
        var view = await api.CallAsync(token => session.DelegatePermissionAsync(command, token), http.RequestAborted);
        return Api.Ok(PermissionRequestModel.Of(view), GatewayJsonContext.Plain.PermissionRequestModel);
    }
}
