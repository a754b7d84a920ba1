using System.Collections.Immutable;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Providers;

namespace Marionette.Gateway.Rest;

/// <summary>The agent kinds, with what the providers' runners have of them.</summary>
internal static class AgentEndpoint
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(6), Pause = TimeSpan.FromMilliseconds(100);

    public static async Task<IResult> ListAsync(HttpContext http, Api api, IGrainFactory grains, TimeProvider clock)
    {
        var providers = await api.ProvidersAsync(http.RequestAborted);
        // At once: a provider that is slow to look must not take the others' time.
        var agents = await Task.WhenAll(providers.Select(provider => AgentsAsync(provider, api, grains, clock, http.RequestAborted)));
        var found = providers.Zip(agents).SelectMany(pair => pair.Second.Select(agent => (Provider: pair.First, Agent: agent))).ToList();
        return Api.Ok(
            new AgentListModel([.. AgentCatalog.All.Select(kind => new AgentModel(
                kind.Name, kind.Description, kind.Features,
                [.. from pair in found
                    where pair.Agent.Kind == kind.Name
                    select new InstalledAgentModel(pair.Provider, pair.Agent.Program, pair.Agent.Path, pair.Agent.Version)]))]),
            GatewayJsonContext.Plain.AgentListModel);
    }

    /// <summary>The first look of a provider takes some seconds; later ones are answered from what is known.</summary>
    private static async Task<ImmutableArray<ProviderAgentView>> AgentsAsync(
        string provider, Api api, IGrainFactory grains, TimeProvider clock, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        try
        {
            while (true)
            {
                var view = await api.CallAsync(token => grains.GetGrain<IProviderGrain>(provider).GetAgentsAsync(token).AsTask(), cancellationToken);
                if (view.IsKnown || clock.GetElapsedTime(began) > Patience) return view.Agents;
                await Task.Delay(Pause, clock, cancellationToken);
            }
        }
        catch (MarionetteException e) when (e.Code == FaultCode.NotFound)
        {
            return [];
        }
    }
}
