using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Schedules;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

internal static class ScheduleEndpoints
{
    private const string Read = "scheduled-tasks:read", Write = "scheduled-tasks:write", Path = "/api/v1/scheduled-tasks";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Path, CreateAsync).Api(Write, "CreateScheduledTask", "A prompt that comes again by the clock", 409, 413)
            .Accepts<CreateScheduledTaskModel>("application/json").Produces<ScheduledTaskModel>(201);
        routes.MapGet(Path, ListAsync).Api(Read, "ListScheduledTasks", "Scheduled tasks, newest first").Produces<ListModel<ScheduledTaskModel>>().Paged()
            .Query("status", "active, paused, disabled, ended", true).Query("session_id", "Those that run in this session", true)
            .Query("agent_config_id", "Those whose sessions have this agent configuration", true).Query("labels[key]", "Those that have this label", true);
        routes.MapGet($"{Path}/{{id}}", GetAsync).Api(Read, "GetScheduledTask", "A scheduled task", 404).Produces<ScheduledTaskModel>();
        routes.MapPatch($"{Path}/{{id}}", UpdateAsync).Api(Write, "UpdateScheduledTask", "Change it; another time counts from now on", 404, 413)
            .Accepts<UpdateScheduledTaskModel>("application/json").Produces<ScheduledTaskModel>();
        routes.MapDelete($"{Path}/{{id}}", DeleteAsync).Api(Write, "DeleteScheduledTask", "Remove it", 404).Produces(204);
        routes.MapPost($"{Path}/{{id}}/pause", PauseAsync).Api(Write, "PauseScheduledTask", "No occurrences until it is resumed", 404, 409)
            .Produces<ScheduledTaskModel>();
        routes.MapPost($"{Path}/{{id}}/resume", ResumeAsync).Api(Write, "ResumeScheduledTask", "Active again, from now on", 404, 409)
            .Produces<ScheduledTaskModel>();
        routes.MapPost($"{Path}/{{id}}/trigger", TriggerAsync).Api(Write, "TriggerScheduledTask", "An occurrence now", 404, 409, 429).Produces<TaskModel>();
        routes.MapGet($"{Path}/{{id}}/history", HistoryAsync).Api(Read, "ListOccurrences", "Its occurrences, newest first; the last hundred are kept", 404)
            .Produces<ListModel<OccurrenceModel>>().Query("limit", $"Items, 1 to {ListQuery.MaxLimit}; default {ListQuery.DefaultLimit}")
            .Query("status", "waiting, starting, running, completed, failed, canceled, skipped, missed", true);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api, SecretSealer sealer, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateScheduledTaskModel);
        var command = ScheduleRules.Check(model, isNew: true, caller, sealer);
        await MustExistAsync(command, caller, rows, http, api);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.ScheduledTask));
        var schedule = api.Grain<IScheduleGrain>(caller, EntityId.ScheduledTask, reservation.ResultId);
        var view = await api.CallAsync(token => schedule.CreateAsync(command, token), http.RequestAborted);
        http.Response.Headers.Location = $"{Path}/{view.Id}";
        return Show(view, StatusCodes.Status201Created);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        var schedule = api.Grain<IScheduleGrain>(AuthMiddleware.CallerOf(http), EntityId.ScheduledTask, id);
        return Show(await api.CallAsync(token => schedule.GetAsync(token).AsTask(), http.RequestAborted));
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("scheduled_task", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.ScheduledTask))
        {
            Status = query.Many("status", EnumText<ScheduleStatus>.Filters),
            SessionId = query.Many("session_id"),
            Labels = query.Labels(),
            Members = [("agent_config_id", query.Many("agent_config_id"))],
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.ScheduleView, http.RequestAborted);
        return Api.Ok(page.ToList(ScheduledTaskModel.Of, schedule => schedule.Id), GatewayJsonContext.Plain.ScheduledTaskList);
    }

    private static async Task<IResult> UpdateAsync(string id, HttpContext http, Api api, SecretSealer sealer, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var schedule = api.Grain<IScheduleGrain>(caller, EntityId.ScheduledTask, id);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.UpdateScheduledTaskModel);
        var command = ScheduleRules.Check(model, isNew: false, caller, sealer);
        await MustExistAsync(command, caller, rows, http, api);
        return Show(await api.CallAsync(token => schedule.UpdateAsync(command, token), http.RequestAborted));
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext http, Api api)
    {
        var schedule = api.Grain<IScheduleGrain>(AuthMiddleware.CallerOf(http), EntityId.ScheduledTask, id);
        await api.CallAsync(
            async token =>
            {
                await schedule.DeleteAsync(token);
                return true;
            },
            http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static Task<IResult> PauseAsync(string id, HttpContext http, Api api) => CommandAsync(
        id, http, api, (schedule, reason, token) => schedule.PauseAsync(reason ?? $"paused by {AuthMiddleware.CallerOf(http).Actor}", token));

    private static Task<IResult> ResumeAsync(string id, HttpContext http, Api api) => CommandAsync(id, http, api, (schedule, _, token) => schedule.ResumeAsync(token));

    private static async Task<IResult> CommandAsync(
        string id, HttpContext http, Api api, Func<IScheduleGrain, string?, CancellationToken, Task<ScheduleView>> command)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var schedule = api.Grain<IScheduleGrain>(caller, EntityId.ScheduledTask, id);
        var body = await api.ReadBodyAsync(http);
        var reason = ReasonRules.Check(body);
        var reservation = await api.ReserveAsync(http, caller, body, id);
        if (reservation.IsDone) return Show(await api.CallAsync(token => schedule.GetAsync(token).AsTask(), http.RequestAborted));
        var view = await api.CallAsync(token => command(schedule, reason, token), http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return Show(view);
    }

    private static async Task<IResult> TriggerAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var schedule = api.Grain<IScheduleGrain>(caller, EntityId.ScheduledTask, id);
        var body = await api.ReadBodyAsync(http);
        ReasonRules.Check(body);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.Task));
        var task = await api.CallAsync(token => schedule.TriggerAsync(reservation.ResultId, token), http.RequestAborted);
        return Api.Ok(TaskModel.Of(task), GatewayJsonContext.Plain.TaskModel);
    }

    private static async Task<IResult> HistoryAsync(string id, HttpContext http, Api api)
    {
        var query = new ListQuery(http.Request);
        var (limit, status) = (query.Limit(), query.Many("status", EnumText<OccurrenceStatus>.Filters));
        query.Errors.ThrowIfAny();
        var schedule = api.Grain<IScheduleGrain>(AuthMiddleware.CallerOf(http), EntityId.ScheduledTask, id);
        var history = await api.CallAsync(token => schedule.GetHistoryAsync(token).AsTask(), http.RequestAborted);
        var all = history.Items.Select(OccurrenceModel.Of).Where(item => status is null || status.Contains(item.Status)).ToList();
        return Api.Ok(new ListModel<OccurrenceModel>([.. all.Take(limit)], all.Count > limit, null, all.Count), GatewayJsonContext.Plain.OccurrenceList);
    }

    /// <summary>What the schedule names must be there and alive now; later it may go, and the schedule tells of it.</summary>
    /// <exception cref="MarionetteException">Invalid, naming the field.</exception>
    private static async Task MustExistAsync(ScheduleChange command, Caller caller, StateReader rows, HttpContext http, Api api)
    {
        var errors = new FieldErrors();
        if (command.SessionId is { } id)
        {
            var session = await rows.FindAsync("session", caller.Tenant, id, StateJsonContext.Default.SessionView, http.RequestAborted);
            if (session is null) errors.Add("session_id", "there is no such session");
            else if (session.Status is SessionStatus.Terminated or SessionStatus.Failed) errors.Add("session_id", "the session has ended");
        }

        if (command.Session?.AgentConfigId is { } config
            && await rows.FindAsync("agent_config", caller.Tenant, config, StateJsonContext.Default.AgentConfigView, http.RequestAborted) is var found
            && found?.Agent != command.Session.Agent)
            errors.Add("session.agent_config_id", found is null ? "there is no such agent configuration" : $"is for the agent {found.Agent}");
        if (command.Session?.ProfileId is { } profile
            && await rows.FindAsync("profile", caller.Tenant, profile, StateJsonContext.Default.ProfileView, http.RequestAborted) is null)
            errors.Add("session.profile_id", "there is no such profile");
        if (command.Session?.Provider is { } provider && await api.ProvidersAsync(http.RequestAborted) is var known && !known.Contains(provider))
            errors.Add("session.provider", $"must be one of {string.Join(", ", known)}");
        errors.ThrowIfAny();
        if (command.Session?.WorkspaceId is { } workspace) await SessionEndpoints.MustHaveAsync(workspace, caller, http, api, rows);
    }

    private static IResult Show(ScheduleView view, int status = StatusCodes.Status200OK) =>
        Api.Ok(ScheduledTaskModel.Of(view), GatewayJsonContext.Plain.ScheduledTaskModel, status);
}
