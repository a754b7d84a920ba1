using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Pools;

namespace Marionette.Gateway.Rest;

/// <summary>The pools of hosts of this installation. They belong to no tenant: only operators see them.</summary>
internal static class PoolEndpoints
{
    public const string Path = "/api/v1/pools";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Path, ListAsync).Api(ScopeRules.Operator, "ListPools", "The pools of hosts, in order of their names").Produces<ListModel<PoolModel>>();
        routes.MapGet($"{Path}/{{pool}}", GetAsync).Api(ScopeRules.Operator, "GetPool", "A pool: its hosts and what they have, in sums", 404)
            .Produces<PoolModel>();
    }

    /// <summary>The pool's grain, if there is such a pool.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    public static async Task<IPoolGrain> FindAsync(string pool, HttpContext http, Api api, IGrainFactory grains)
    {
        // Asked first, so that no path makes a grain of a pool that nobody has configured.
        if (!PoolKeys.IsPool(pool) || !(await api.PoolsAsync(http.RequestAborted)).Contains(pool))
            throw new MarionetteException(FaultCode.NotFound, "There is no such pool.");
        return grains.GetGrain<IPoolGrain>(pool);
    }

    /// <summary>A page of what a grain gives whole, newest first.</summary>
    public static StatePage<T> PageOf<T>(IEnumerable<T> all, Func<T, string> idOf, int limit, string? before)
    {
        var sorted = all.OrderByDescending(idOf, StringComparer.Ordinal).ToList();
        var rest = sorted.Where(item => before is null || string.CompareOrdinal(idOf(item), before) < 0).Take(limit + 1).ToList();
        return new StatePage<T>([.. rest.Take(limit)], rest.Count > limit, sorted.Count);
    }

    private static async Task<IResult> ListAsync(HttpContext http, Api api, IGrainFactory grains)
    {
        var names = await api.PoolsAsync(http.RequestAborted);
        var views = await Task.WhenAll(names
            .Select(name => api.CallAsync(token => grains.GetGrain<IPoolGrain>(name).GetAsync(token).AsTask(), http.RequestAborted)));
        return Api.Ok(new ListModel<PoolModel>([.. views.Select(PoolModel.Of)], false, null, views.Length), GatewayJsonContext.Plain.PoolList);
    }

    private static async Task<IResult> GetAsync(string pool, HttpContext http, Api api, IGrainFactory grains)
    {
        var grain = await FindAsync(pool, http, api, grains);
        return Api.Ok(PoolModel.Of(await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted)), GatewayJsonContext.Plain.PoolModel);
    }
}
