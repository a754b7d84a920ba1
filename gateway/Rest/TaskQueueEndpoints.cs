using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Tasks;

namespace Marionette.Gateway.Rest;

/// <summary>What can be said to a task while it waits or runs.</summary>
internal static class TaskQueueEndpoints
{
    private const string Write = "tasks:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/tasks/{id}/messages", SendAsync)
            .Api(Write, "SendMessage", "Say more: into the running turn, or as a follow-up task", 404, 409, 413, 429)
            .Accepts<SendMessageModel>("application/json").Produces<MessageReceiptModel>(202);
        routes.MapPost("/api/v1/tasks/{id}/move", MoveAsync).Api(Write, "MoveTask", "Another place in the queue", 404, 409)
            .Accepts<MoveTaskModel>(true, "application/json").Produces<TaskModel>();
        routes.MapPost("/api/v1/tasks/{id}/continue", ContinueAsync)
            .Api(Write, "ContinueTask", "Let a task go on that waits for the model, quota or a budget", 404, 409)
            .Accepts<ContinueTaskModel>(true, "application/json").Produces<TaskModel>();
    }

    private static async Task<IResult> SendAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var task = api.Grain<ITaskGrain>(caller, EntityId.Task, id);
        var body = await api.ReadBodyAsync(http, FileRules.MaxBody);
        var message = TaskRules.Check(RequestBody.Parse(body, GatewayJsonContext.Plain.SendMessageModel), id, api.NewId(EntityId.Message), caller.Actor);
        // The reserved id is the message's: the session knows it and takes it once.
        var reservation = await api.ReserveAsync(http, caller, body, message.MessageId);
        message = message with { MessageId = reservation.ResultId };
        var receipt = await api.CallAsync(token => task.SendMessageAsync(message, token), http.RequestAborted);
        var model = new MessageReceiptModel { Id = receipt.MessageId, TaskId = receipt.TaskId, Status = receipt.Status };
        return Api.Ok(model, GatewayJsonContext.Plain.MessageReceiptModel, StatusCodes.Status202Accepted);
    }

    private static async Task<IResult> MoveAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var task = api.Grain<ITaskGrain>(caller, EntityId.Task, id);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.MoveTaskModel, new MoveTaskModel());
        var errors = new FieldErrors();
        errors.Id("before", model.Before, EntityId.Task);
        errors.ThrowIfAny();
        return await OnceAsync(http, api, caller, body, task, token => task.MoveAsync(model.Before, token));
    }

    private static async Task<IResult> ContinueAsync(string id, HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var task = api.Grain<ITaskGrain>(caller, EntityId.Task, id);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.ContinueTaskModel, new ContinueTaskModel());
        var errors = new FieldErrors();
        var budget = BudgetRules.Check(errors, "budget", model.Budget);
        errors.ThrowIfAny();
        return await OnceAsync(http, api, caller, body, task, token => task.ContinueAsync(caller.Actor, budget, token));
    }

    private static async Task<IResult> OnceAsync(
        HttpContext http, Api api, Caller caller, ReadOnlyMemory<byte> body, ITaskGrain task, Func<CancellationToken, Task<TaskView>> command)
    {
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var view = reservation.IsDone
            ? await api.CallAsync(token => task.GetAsync(token).AsTask(), http.RequestAborted)
            : await api.CallAsync(command, http.RequestAborted);
        await api.CompleteAsync(caller, reservation);
        return Api.Ok(TaskModel.Of(view), GatewayJsonContext.Plain.TaskModel);
    }
}
