using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Workspaces;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>A session's checkpoints, and the way back to one.</summary>
internal static class CheckpointEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/sessions/{id}/checkpoints", ListAsync).Api("sessions:read", "ListCheckpoints", "A session's checkpoints that are kept, newest first", 404)
            .Produces<ListModel<CheckpointModel>>().Paged();
        routes.MapPost("/api/v1/sessions/{id}/restore", RestoreAsync)
            .Api("sessions:write", "RestoreSession", "Take a suspended session back to a checkpoint: files, home and conversation", 404, 409, 413)
            .Accepts<RestoreSessionModel>("application/json").Produces<SessionModel>();
    }

    private static async Task<IResult> ListAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("checkpoint", caller.Tenant, query.Limit(), query.Cursor(EntityId.Checkpoint)) { SessionId = [id] };
        query.Errors.ThrowIfAny();
        await api.CallAsync(token => session.GetAsync(token).AsTask(), http.RequestAborted);
        var page = await rows.ListAsync(filter, StateJsonContext.Default.CheckpointView, http.RequestAborted);
        return Api.Ok(page.ToList(CheckpointModel.Of, checkpoint => checkpoint.Id), GatewayJsonContext.Plain.CheckpointList);
    }

    private static async Task<IResult> RestoreAsync(string id, HttpContext http, Api api, StateReader rows, SessionOrigins origins)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.RestoreSessionModel);
        var checkpoint = model.CheckpointId;
        if (!EntityId.Is(EntityId.Checkpoint, checkpoint)) throw new MarionetteException([new FieldError("checkpoint_id", "must be an id ckpt_…")]);
        if (await rows.FindAsync("checkpoint", caller.Tenant, checkpoint!, StateJsonContext.Default.CheckpointView, http.RequestAborted) is not { } point || point.SessionId != id)
            throw new MarionetteException(FaultCode.NotFound, "The session has no such checkpoint; rules of retention may have taken it away.");
        // From here on no rule takes its snapshots away, and then they are what the session goes on from.
        await origins.MustBeThereAsync(caller.Tenant, point, http.RequestAborted);
        var view = await api.CallAsync(token => session.RestoreAsync(new RestoreSession(checkpoint!, caller.Actor, model.Discard ?? false), token), http.RequestAborted);
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel);
    }
}
