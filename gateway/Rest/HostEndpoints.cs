using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Pools;

namespace Marionette.Gateway.Rest;

/// <summary>The hosts of a pool: what they are, and an operator's word on them.</summary>
internal static class HostEndpoints
{
    private const string Path = $"{PoolEndpoints.Path}/{{pool}}/hosts";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Path, ListAsync).Api(ScopeRules.Operator, "ListHosts", "Hosts of a pool as they last reported, newest first", 404)
            .Produces<ListModel<HostModel>>().Paged();
        routes.MapGet($"{Path}/{{id}}", GetAsync).Api(ScopeRules.Operator, "GetHost", "A host", 404).Produces<HostModel>();
        routes.MapPatch($"{Path}/{{id}}", ChangeAsync).Api(ScopeRules.Operator, "ChangeHost", "Drain or taint it: no new runners; those it has go on", 404, 413)
            .Accepts<ChangeHostModel>("application/json").Produces<HostModel>();
        routes.MapDelete($"{Path}/{{id}}", RemoveAsync)
            .Api(ScopeRules.Operator, "RemoveHost", "Remove it for good; 409 while it has runners", 404, 409).Produces(204)
            .Query("force", "true: its runners are lost");
    }

    private static async Task<IResult> ListAsync(string pool, HttpContext http, Api api, IGrainFactory grains)
    {
        var query = new ListQuery(http.Request);
        var (limit, before) = (query.Limit(), query.Cursor(EntityId.Host));
        query.Errors.ThrowIfAny();
        var grain = await PoolEndpoints.FindAsync(pool, http, api, grains);
        var hosts = await api.CallAsync(token => grain.ListHostsAsync(token).AsTask(), http.RequestAborted);
        var page = PoolEndpoints.PageOf(hosts, host => host.Id, limit, before);
        return Api.Ok(page.ToList(HostModel.Of, host => host.Id), GatewayJsonContext.Plain.HostList);
    }

    private static async Task<IResult> GetAsync(string pool, string id, HttpContext http, Api api, IGrainFactory grains)
    {
        var host = await FindAsync(pool, id, http, api, grains);
        return Shown(await api.CallAsync(token => host.GetAsync(token).AsTask(), http.RequestAborted));
    }

    private static async Task<IResult> ChangeAsync(string pool, string id, HttpContext http, Api api, IGrainFactory grains)
    {
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.ChangeHostModel);
        var errors = new FieldErrors();
        var taint = errors.Text("taint", model.Taint, ReasonRules.MaxLength);
        errors.ThrowIfAny();
        var host = await FindAsync(pool, id, http, api, grains);
        // First of all: a host that is not there is to be said so before anything is written.
        var view = await api.CallAsync(token => host.GetAsync(token).AsTask(), http.RequestAborted);
        if (model.Draining is { } draining) view = await api.CallAsync(token => host.DrainAsync(draining, token), http.RequestAborted);
        if (model.NamesTaint) view = await api.CallAsync(token => host.TaintAsync(string.IsNullOrEmpty(taint) ? null : taint, token), http.RequestAborted);
        return Shown(view);
    }

    private static async Task<IResult> RemoveAsync(string pool, string id, HttpContext http, Api api, IGrainFactory grains)
    {
        var query = new ListQuery(http.Request);
        var text = query.Single("force") ?? "false";
        if (text is not ("true" or "false")) query.Errors.Add("force", "must be true or false");
        query.Errors.ThrowIfAny();
        var host = await FindAsync(pool, id, http, api, grains);
        await api.CallAsync(
            async token =>
            {
                await host.GetAsync(token);
                await host.RemoveAsync(text == "true", token);
                return true;
            },
            http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IHostGrain> FindAsync(string pool, string id, HttpContext http, Api api, IGrainFactory grains)
    {
        await PoolEndpoints.FindAsync(pool, http, api, grains);
        return grains.GetGrain<IHostGrain>(PoolKeys.OfHost(pool, Api.Known(EntityId.Host, id)));
    }

    private static IResult Shown(HostView view) => Api.Ok(HostModel.Of(view), GatewayJsonContext.Plain.HostModel);
}
