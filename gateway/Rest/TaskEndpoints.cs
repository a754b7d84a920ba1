using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest;

internal static class TaskEndpoints
{
    private const string Read = "tasks:read", Write = "tasks:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/tasks", CreateAsync).Api(Write, "CreateTask", "Queue a prompt in a session", 404, 409, 413, 429)
            .Accepts<CreateTaskModel>("application/json").Produces<TaskModel>(201);
        routes.MapGet("/api/v1/tasks", ListAsync).Api(Read, "ListTasks", "Tasks, newest first").Produces<ListModel<TaskModel>>().Paged()
            .Query("session_id", "Tasks of this session", true).Query("labels[key]", "Tasks that have this label", true)
            .Query("status", "queued, running, waiting_permission, waiting_for_model, waiting_for_quota, waiting_for_budget, waiting_for_failover, completed, failed, canceled, timed_out", true);
        routes.MapGet("/api/v1/tasks/{id}", GetAsync).Api(Read, "GetTask", "A task", 404).Produces<TaskModel>();
        routes.MapPost("/api/v1/tasks/{id}/cancel", CancelAsync).Api(Write, "CancelTask", "End a task", 404, 409).Produces(204);
        routes.MapPost("/api/v1/tasks/{id}/retry", RetryAsync).Api(Write, "RetryTask", "Queue an ended task again", 404, 409).Produces(204);
        TaskQueueEndpoints.Map(routes);
        routes.MapPost("/api/v1/tasks/{id}/execute", ExecuteAsync).Api(Write, "ExecuteTask", "Tasks run by themselves: answers with the state", 404)
            .Produces<StatusModel>(202);
        routes.MapGet("/api/v1/tasks/{id}/runs", ListRunsAsync).Api(Read, "ListTaskRuns", "Attempts at a task, newest first", 404)
            .Produces<ListModel<TaskRunModel>>().Paged()
            .Query("status", "assigned, running, completed, failed, canceled, timed_out, interrupted", true);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http, FileRules.MaxBody);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateTaskModel);
        var command = TaskRules.Check(model, api.NewId(EntityId.Task));
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, model.SessionId);
        var reservation = await api.ReserveAsync(http, caller, body, command.TaskId);
        command = command with { TaskId = reservation.ResultId };
        var view = await api.CallAsync(token => session.SubmitTaskAsync(command, token), http.RequestAborted);
        http.Response.Headers.Location = $"/api/v1/tasks/{view.Id}";
        return Api.Ok(TaskModel.Of(view), GatewayJsonContext.Plain.TaskModel, StatusCodes.Status201Created);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api) =>
        Api.Ok(TaskModel.Of(await ViewAsync(id, http, api)), GatewayJsonContext.Plain.TaskModel);

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("task", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Task))
        {
            Status = query.Many("status", EnumText<TaskState>.Filters),
            SessionId = query.Many("session_id"),
            Labels = query.Labels(),
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.TaskView, http.RequestAborted);
        return Api.Ok(page.ToList(TaskModel.Of, task => task.Id), GatewayJsonContext.Plain.TaskList);
    }

    private static async Task<IResult> CancelAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var task = api.Grain<ITaskGrain>(caller, EntityId.Task, id);
        var body = await api.ReadBodyAsync(http);
        var reason = ReasonRules.Check(body);
        var reservation = await api.ReserveAsync(http, caller, body, id);
        if (reservation.IsDone) return TypedResults.NoContent();
        await api.CallAsync(token => task.CancelAsync(caller.Actor, reason, token), http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> RetryAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var task = api.Grain<ITaskGrain>(caller, EntityId.Task, id);
        var body = await api.ReadBodyAsync(http);
        ReasonRules.Check(body);
        // The reserved id is the command's: the session remembers it and retries once for it.
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        if (reservation.IsDone) return TypedResults.NoContent();
        await api.CallAsync(token => task.RetryAsync(reservation.ResultId, token), http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> ExecuteAsync(string id, HttpContext http, Api api)
    {
        var view = await ViewAsync(id, http, api);
        return Api.Ok(new StatusModel(EnumText<TaskState>.Of(view.Status)), GatewayJsonContext.Plain.StatusModel, StatusCodes.Status202Accepted);
    }

    private static async Task<IResult> ListRunsAsync(string id, HttpContext http, Api api)
    {
        var query = new ListQuery(http.Request);
        var (limit, before) = (query.Limit(), query.Cursor(EntityId.Run));
        var status = query.Many("status", EnumText<RunStatus>.Filters);
        query.Errors.ThrowIfAny();
        var view = await ViewAsync(id, http, api);
        var all = (view.Runs.IsDefault ? [] : view.Runs).Select(TaskRunModel.Of).Where(run => status is null || status.Contains(run.Status)).Reverse().ToList();
        var rest = all.SkipWhile(run => before is not null && string.CompareOrdinal(run.Id, before) >= 0).ToList();
        var more = rest.Count > limit;
        var items = rest.Take(limit).ToList();
        return Api.Ok(
            new ListModel<TaskRunModel>(items, more, more ? ListQuery.CursorOf(items[^1].Id) : null, all.Count), GatewayJsonContext.Plain.TaskRunList);
    }

    private static async Task<TaskView> ViewAsync(string id, HttpContext http, Api api)
    {
        var task = api.Grain<ITaskGrain>(AuthMiddleware.CallerOf(http), EntityId.Task, id);
        return await api.CallAsync(token => task.GetAsync(token).AsTask(), http.RequestAborted);
    }
}
