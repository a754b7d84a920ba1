using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Providers;

namespace Marionette.Gateway.Rest;

/// <summary>The backends of this installation. They belong to no tenant: what is told of them are sums.</summary>
internal static class ProviderEndpoint
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/api/v1/providers", ListAsync)
        .Api("runners:read", "ListProviders", "The backends that make runners: what each can do, and how it is").Produces<ProviderListModel>();

    private static async Task<IResult> ListAsync(HttpContext http, Api api, IGrainFactory grains)
    {
        var names = await api.ProvidersAsync(http.RequestAborted);
        var views = await Task.WhenAll(names.Select(name => api.CallAsync(token => grains.GetGrain<IProviderGrain>(name).GetAsync(token).AsTask(), http.RequestAborted)));
        return Api.Ok(new ProviderListModel([.. views.Select(ProviderModel.Of)]), GatewayJsonContext.Plain.ProviderListModel);
    }
}
