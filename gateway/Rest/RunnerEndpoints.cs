using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Runners;

namespace Marionette.Gateway.Rest;

internal static class RunnerEndpoints
{
    private const string Read = "runners:read";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/runners", ListAsync).Api(Read, "ListRunners", "Runners, newest first").Produces<ListModel<RunnerModel>>().Paged()
            .Query("status", "provisioning, started, online, offline, paused, released, lost", true);
        routes.MapGet("/api/v1/runners/{id}", GetAsync).Api(Read, "GetRunner", "A runner", 404).Produces<RunnerModel>();
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("runner", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Runner))
        {
            Status = query.Many("status", EnumText<RunnerStatus>.Filters),
        };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.RunnerView, http.RequestAborted);
        return Api.Ok(page.ToList(RunnerModel.Of, runner => runner.Id), GatewayJsonContext.Plain.RunnerList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        var runner = api.Grain<IRunnerGrain>(AuthMiddleware.CallerOf(http), EntityId.Runner, id);
        var view = await api.CallAsync(token => runner.GetAsync(token).AsTask(), http.RequestAborted);
        return Api.Ok(RunnerModel.Of(view), GatewayJsonContext.Plain.RunnerModel);
    }
}
