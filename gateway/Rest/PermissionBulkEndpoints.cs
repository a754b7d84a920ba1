using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Problems;
using Marionette.Gateway.Rest.Models;
using Marionette.Permissions;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>One answer to many requests. Each is answered for itself: what fails for one says nothing of the others.</summary>
internal static class PermissionBulkEndpoints
{
    private const int MaxItems = 200, AtOnce = 8;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/api/v1/permissions/decide", DecideAsync)
            .Api("permissions:write", "DecidePermissions", "Answer many requests at once, by their ids or by a filter of open ones", 409, 413)
            .Accepts<DecidePermissionsModel>("application/json").Produces<DecisionListModel>();

    private static async Task<IResult> DecideAsync(HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.DecidePermissionsModel);
        Check(model);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId("cmd"));
        var ids = model.Ids is { } given ? given.OfType<string>().Distinct().ToList() : await MatchingAsync(model.Filter!, caller, rows, http.RequestAborted);
        var results = new DecisionItemModel[ids.Count];
        await Parallel.ForAsync(0, ids.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = http.RequestAborted },
            async (i, token) => results[i] = await AnswerAsync(ids[i], model, caller, $"{reservation.Key ?? reservation.ResultId}/{ids[i]}", api, rows, token));
        return Api.Ok(new DecisionListModel(results), GatewayJsonContext.Plain.DecisionListModel);
    }

    private static void Check(DecidePermissionsModel model)
    {
        var errors = new FieldErrors();
        if (model.Decision is not ("approve" or "deny")) errors.Add("decision", "must be one of approve, deny");
        errors.Text("reason", model.Reason, ReasonRules.MaxLength, multiline: true);
        if (model.Ids is null == model.Filter is null) errors.Add("ids", "give either ids or a filter");
        if (model.Ids is { } ids && (ids.Count is 0 or > MaxItems || ids.Any(id => id is null))) errors.Add("ids", $"must hold 1 to {MaxItems} ids");
        // A filter that filters nothing would answer everything that anybody ever asks.
        if (model.Filter is { SessionId: null, TaskId: null, Tool: null, Category: null, RiskLevel: null }) errors.Add("filter", "must have at least one member");
        foreach (var level in model.Filter?.RiskLevel ?? []) PolicyRules.Risk(errors, "filter.risk_level", level ?? "");
        errors.ThrowIfAny();
    }

    private static async Task<List<string>> MatchingAsync(PermissionFilterModel filter, Caller caller, StateReader rows, CancellationToken cancellationToken)
    {
        var found = await rows.ListAsync(
            new StateFilter("permission", caller.Tenant, MaxItems, null)
            {
                Status = ["pending"], SessionId = filter.SessionId is null ? null : [filter.SessionId],
                Members =
                [
                    ("task_id", filter.TaskId is null ? null : [filter.TaskId]), ("tool", Some(filter.Tool)), ("category", Some(filter.Category)),
                    ("risk_level", Some(filter.RiskLevel)),
                ],
            },
            StateJsonContext.Default.PermissionView, cancellationToken);
        // What the session itself asks is answered by its id or by its name: "all of this session" means what its agent asks.
        return [.. found.Items.Where(view => !view.BySession || filter.Category?.Contains(view.Category) == true || filter.Tool?.Contains(view.Tool) == true).Select(view => view.Id)];
    }

    private static string[]? Some(List<string?>? items) => items is null ? null : [.. items.OfType<string>().Where(item => !item.Contains('\0'))];

    private static async Task<DecisionItemModel> AnswerAsync(
        string id, DecidePermissionsModel model, Caller caller, string commandId, Api api, StateReader rows, CancellationToken cancellationToken)
    {
        try
        {
            Api.Known(EntityId.Permission, id);
            var view = await rows.FindAsync("permission", caller.Tenant, id, StateJsonContext.Default.PermissionView, cancellationToken)
                ?? throw Api.NotFound(EntityId.Permission);
            var session = api.Grain<ISessionGrain>(caller, EntityId.Session, view.SessionId);
            var command = new DecidePermission(
                id, commandId, model.Decision == "approve", caller.Actor, model.Reason, null, false, null, caller.KeyId, caller.KeyName);
            var answered = await api.CallAsync(token => session.DecidePermissionAsync(command, token), cancellationToken);
            return new(id, true, EnumText<PermissionStatus>.Of(answered.Status), null, null);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            var fault = FaultMapper.Map(exception, changes: true);
            return new(id, false, null, fault.Problem.Name, fault.Detail);
        }
    }
}
