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

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/permissions", ListAsync).Api(Read, "ListPermissions", "Permission requests, newest first")
            .Produces<ListModel<PermissionRequestModel>>().Paged()
            .Query("session_id", "Of this session", true).Query("task_id", "Of this task", true)
            .Query("status", "pending, approved, denied, expired, canceled", true).Query("risk_level", "low, medium, high, critical", true);
        routes.MapGet("/api/v1/permissions/{id}", GetAsync).Api(Read, "GetPermission", "A permission request", 404).Produces<PermissionRequestModel>();
        routes.MapPost("/api/v1/permissions/{id}/approve", ApproveAsync).Api(Write, "ApprovePermission", "Allow it; the first answer stands", 404, 409, 413)
            .Accepts<ApprovePermissionModel>(true, "application/json").Produces(204);
        routes.MapPost("/api/v1/permissions/{id}/deny", DenyAsync).Api(Write, "DenyPermission", "Refuse it; the first answer stands", 404, 409, 413)
            .Accepts<DenyPermissionModel>(true, "application/json").Produces(204);
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("permission", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Permission))
        {
            Status = query.Many("status", EnumText<PermissionStatus>.Filters),
            SessionId = query.Many("session_id"),
            Members = [("task_id", query.Many("task_id")), ("risk_level", query.Many("risk_level", RiskLevels))],
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.PermissionView, http.RequestAborted);
        return Api.Ok(page.ToList(PermissionRequestModel.Of, permission => permission.Id), GatewayJsonContext.Plain.PermissionRequestList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api, StateReader rows) =>
        Api.Ok(PermissionRequestModel.Of(await FindAsync(id, http, api, rows)), GatewayJsonContext.Plain.PermissionRequestModel);

    private static async Task<IResult> ApproveAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.ApprovePermissionModel, new ApprovePermissionModel());
        var errors = new FieldErrors();
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        if (model.UpdatedInput is { ValueKind: not JsonValueKind.Object }) errors.Add("updated_input", "must be an object");
        errors.ThrowIfAny();
        var input = model.UpdatedInput is { } element ? JsonSerializer.SerializeToUtf8Bytes(element, GatewayJsonContext.Plain.JsonElement) : null;
        return await DecideAsync(id, http, api, rows, body, (commandId, by) => new DecidePermission(id, commandId, true, by, model.Reason, input, false));
    }

    private static async Task<IResult> DenyAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.DenyPermissionModel, new DenyPermissionModel());
        var errors = new FieldErrors();
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        errors.ThrowIfAny();
        return await DecideAsync(
            id, http, api, rows, body, (commandId, by) => new DecidePermission(id, commandId, false, by, model.Reason, null, model.Interrupt ?? false));
    }

    private static async Task<IResult> DecideAsync(
        string id, HttpContext http, Api api, StateReader rows, ReadOnlyMemory<byte> body, Func<string, string, DecidePermission> command)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var request = await FindAsync(id, http, api, rows);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, request.SessionId);
        var decision = command(reservation.Key ?? reservation.ResultId, caller.Actor);
        await api.CallAsync(token => session.DecidePermissionAsync(decision, token), http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<PermissionView> FindAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        Api.Known(EntityId.Permission, id);
        return await rows.FindAsync("permission", tenant, id, StateJsonContext.Default.PermissionView, http.RequestAborted)
            ?? throw Api.NotFound(EntityId.Permission);
    }
}
