using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Gateway.Workspaces;
using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Gateway.Rest;

internal static class SessionEndpoints
{
    private const string Read = "sessions:read", Write = "sessions:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/sessions", CreateAsync).Api(Write, "CreateSession", "Create a session", 404, 409, 413)
            .Accepts<CreateSessionModel>("application/json").Produces<SessionModel>(201);
        routes.MapGet("/api/v1/sessions", ListAsync).Api(Read, "ListSessions", "Sessions, newest first").Produces<ListModel<SessionModel>>()
            .Paged().Query("status", "pending, active, suspended, resuming, terminated, failed", true).Query("agent", "Agent kind", true)
            .Query("lifecycle_mode", "on_demand, persistent", true).Query("labels[key]", "Sessions that have this label", true);
        routes.MapGet("/api/v1/sessions/{id}", GetAsync).Api(Read, "GetSession", "A session", 404).Produces<SessionModel>();
        routes.MapDelete("/api/v1/sessions/{id}", TerminateAsync).Api(Write, "TerminateSession", "End a session: its tasks are canceled", 404).Produces(204);
        routes.MapPatch("/api/v1/sessions/{id}", ChangeAsync).Api(Write, "ChangeSession", "Change name, labels, model, permission mode, budget, network policy, failover policy, suspend strategy", 404, 409, 413)
            .Accepts<ChangeSessionModel>("application/json").Produces<SessionModel>();
        routes.MapPost("/api/v1/sessions/{id}/network/allow", AllowAsync).Api(Write, "AllowHost", "Let the session's runner reach one more host, at once", 404, 409, 413)
            .Accepts<AllowHostModel>("application/json").Produces<SessionModel>();
        routes.MapPost("/api/v1/sessions/{id}/extend", ExtendAsync).Api(Write, "ExtendSession", "Move the end of its life", 404, 409, 413)
            .Accepts<ExtendSessionModel>("application/json").Produces<SessionModel>();
        routes.MapPost("/api/v1/sessions/{id}/suspend", SuspendAsync).Api(Write, "SuspendSession", "Release or pause the runner, keep everything else", 404, 409)
            .Accepts<SuspendSessionModel>(true, "application/json").Produces(204);
        routes.MapPost("/api/v1/sessions/{id}/resume", ResumeAsync).Api(Write, "ResumeSession", "Get a new runner", 404, 409).Produces(204);
        routes.MapGet("/api/v1/agents", AgentEndpoint.ListAsync).Api(Read, "ListAgents", "The agent kinds, what each can do, and which programs runners find").Produces<AgentListModel>();
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api, SecretSealer sealer, StateReader rows, SessionOrigins origins)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateSessionModel);
        var stored = model.From is null or { Git: not null, SessionId: null, CheckpointId: null, SnapshotId: null } ? null : model.From;
        // Whoever begins with files can have them read; without the scope it is not even said what there is.
        if (stored is not null && !caller.Has("workspaces:read"))
            throw new MarionetteException(FaultCode.Forbidden, "A session that begins with stored files needs a key with the scope workspaces:read.");
        var begin = stored is null ? null : await origins.FindAsync(caller.Tenant, stored, http.RequestAborted);
        if (begin?.Source is { } source) model = ForkRules.Complete(model, source);
        // Checked before the key is bound: a request that is refused here can be mended under the same key.
        var fresh = api.NewId(EntityId.Session);
        var command = SessionRules.Check(model, caller.Tenant, fresh, sealer);
        if (command.AgentConfigId is null && model.ApiKey is null)
            command = command with { AgentConfigId = await AgentConfigEndpoints.DefaultAsync(rows, caller.Tenant, command.Agent, http.RequestAborted) };
        if (command.WorkspaceId is { } workspace) await MustHaveAsync(workspace, caller, http, api, rows);
        var reservation = await api.ReserveAsync(http, caller, body, fresh);
        if (reservation.IsRepeat) command = SessionRules.Check(model, caller.Tenant, reservation.ResultId, sealer) with { AgentConfigId = command.AgentConfigId };
        if (begin is not null && reservation.IsRepeat && await ExistingAsync(reservation.ResultId, caller, http, api) is { } made)
        {
            http.Response.Headers.Location = $"/api/v1/sessions/{made.Id}";
            return Api.Ok(SessionModel.Of(made), GatewayJsonContext.Plain.SessionModel, StatusCodes.Status201Created);
        }

        if (begin is not null)
        {
            var isSameAgent = begin.Source is null || begin.Source.Agent == command.Agent;
            if (begin.Source is { } forked) command = ForkRules.WithPolicy(command, forked, reservation.ResultId);
            command = command with { Origin = await origins.MakeAsync(caller.Tenant, begin, reservation.ResultId, isSameAgent, http.RequestAborted) };
        }

        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, reservation.ResultId);
        var view = await api.CallAsync(token => session.CreateAsync(command, token), http.RequestAborted);
        http.Response.Headers.Location = $"/api/v1/sessions/{view.Id}";
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel, StatusCodes.Status201Created);
    }

    /// <summary>What a request that comes again has made the first time, or null.</summary>
    private static async Task<SessionView?> ExistingAsync(string id, Caller caller, HttpContext http, Api api)
    {
        try
        {
            return await api.CallAsync(token => api.Grain<ISessionGrain>(caller, EntityId.Session, id).GetAsync(token).AsTask(), http.RequestAborted);
        }
        catch (MarionetteException fault) when (fault.Code == FaultCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>A provider knows folders, not tenants: whose workspace it is, is asked here.</summary>
    /// <exception cref="MarionetteException">NotFound; Invalid: its files were given up.</exception>
    internal static async Task MustHaveAsync(string workspace, Caller caller, HttpContext http, Api api, StateReader rows)
    {
        try
        {
            var grain = api.Grain<IWorkspaceGrain>(caller, EntityId.Workspace, workspace);
            var view = await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted);
            if (view.RetiredAt is not null) throw new MarionetteException([new FieldError("workspace_id", view.Retired().Message)]);
        }
        catch (MarionetteException fault) when (fault.Code == FaultCode.NotFound)
        {
            // It has no row before its first runner; the session that it was made for names it.
            var owners = new StateFilter("session", caller.Tenant, 1, null) { Members = [("workspace_id", [workspace])] };
            if ((await rows.ListAsync(owners, StateJsonContext.Default.SessionView, http.RequestAborted)).Total == 0) throw Api.NotFound(EntityId.Workspace);
        }
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        var session = api.Grain<ISessionGrain>(AuthMiddleware.CallerOf(http), EntityId.Session, id);
        var view = await api.CallAsync(token => session.GetAsync(token).AsTask(), http.RequestAborted);
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel);
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("session", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Session))
        {
            Status = query.Many("status", EnumText<SessionStatus>.Filters),
            Labels = query.Labels(),
            Members = [("agent", query.Many("agent")), ("lifecycle_mode", query.Many("lifecycle_mode"))],
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.SessionView, http.RequestAborted);
        var list = page.ToList(SessionModel.Of, session => session.Id);
        return Api.Ok(list, GatewayJsonContext.Plain.SessionList);
    }

    private static async Task<IResult> TerminateAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        await api.CallAsync(token => session.TerminateAsync($"terminated by {caller.Actor}", token), http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> ChangeAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var change = SessionRules.Check(RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.ChangeSessionModel), caller.Actor);
        if (change.Provider is { } provider && await api.ProvidersAsync(http.RequestAborted) is var known && !known.Contains(provider))
            throw new MarionetteException([new FieldError("provider", $"must be one of {string.Join(", ", known)}")]);
        var view = await api.CallAsync(token => session.ChangeAsync(change, token), http.RequestAborted);
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel);
    }

    private static async Task<IResult> AllowAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var host = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.AllowHostModel).Host;
        var errors = new FieldErrors();
        if (!NetworkTargets.IsTarget(host)) errors.Add("host", NetworkTargets.Form);
        errors.ThrowIfAny();
        var change = new ChangeSession(caller.Actor, Network: new NetworkChange(Allow: host!.ToLowerInvariant()));
        var view = await api.CallAsync(token => session.ChangeAsync(change, token), http.RequestAborted);
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel);
    }

    private static async Task<IResult> ExtendAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.ExtendSessionModel);
        SessionRules.Check(model, "", caller.Actor);
        // The reserved id is the command's: the session remembers it and moves its end once for it.
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var view = reservation.IsDone
            ? await api.CallAsync(token => session.GetAsync(token).AsTask(), http.RequestAborted)
            : await api.CallAsync(token => session.ExtendAsync(SessionRules.Check(model, reservation.ResultId, caller.Actor), token), http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return Api.Ok(SessionModel.Of(view), GatewayJsonContext.Plain.SessionModel);
    }

    private static Task<IResult> SuspendAsync(string id, HttpContext http, Api api) => CommandAsync(id, http, api, static (body, caller) =>
    {
        var asked = SessionRules.CheckSuspend(body);
        var command = asked with { Reason = asked.Reason.Length > 0 ? asked.Reason : $"suspended by {caller.Actor}" };
        return (session, token) => session.SuspendAsync(command, token);
    });

    private static Task<IResult> ResumeAsync(string id, HttpContext http, Api api) => CommandAsync(id, http, api, static (body, caller) =>
    {
        var reason = ReasonRules.Check(body) ?? $"resumed by {caller.Actor}";
        return (session, token) => session.ResumeAsync(reason, token);
    });

    /// <param name="check">Reads the body, before the key is bound, and says what to do.</param>
    private static async Task<IResult> CommandAsync(
        string id, HttpContext http, Api api, Func<ReadOnlyMemory<byte>, Caller, Func<ISessionGrain, CancellationToken, Task<SessionView>>> check)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var body = await api.ReadBodyAsync(http);
        var command = check(body, caller);
        var reservation = await api.ReserveAsync(http, caller, body, id);
        if (reservation.IsDone) return TypedResults.NoContent();
        await api.CallAsync(token => command(session, token), http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return TypedResults.NoContent();
    }
}
