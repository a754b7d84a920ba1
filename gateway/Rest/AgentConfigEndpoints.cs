using Marionette.AgentConfigs;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;

namespace Marionette.Gateway.Rest;

internal static class AgentConfigEndpoints
{
    private const string Read = "agent-configs:read", Write = "agent-configs:write", Path = "/api/v1/agent-configs";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Path, CreateAsync).Api(Write, "CreateAgentConfig", "Store what an agent needs; its key is never shown", 409, 413)
            .Accepts<CreateAgentConfigModel>("application/json").Produces<AgentConfigModel>(201);
        routes.MapGet(Path, ListAsync).Api(Read, "ListAgentConfigs", "Agent configurations, newest first").Produces<ListModel<AgentConfigModel>>().Paged()
            .Query("agent", "Of this agent kind", true).Query("labels[key]", "Those that have this label", true);
        routes.MapGet($"{Path}/{{id}}", GetAsync).Api(Read, "GetAgentConfig", "An agent configuration", 404).Produces<AgentConfigModel>();
        routes.MapPut($"{Path}/{{id}}", UpdateAsync).Api(Write, "PutAgentConfig", "The same as PATCH: what is not given stays", 404, 413)
            .Accepts<UpdateAgentConfigModel>("application/json").Produces<AgentConfigModel>();
        routes.MapPatch($"{Path}/{{id}}", UpdateAsync).Api(Write, "UpdateAgentConfig", "Change it; sessions have it from their next attach on", 404, 413)
            .Accepts<UpdateAgentConfigModel>("application/json").Produces<AgentConfigModel>();
        routes.MapDelete($"{Path}/{{id}}", DeleteAsync).Api(Write, "DeleteAgentConfig", "Remove it; 409 while something uses it", 404, 409).Produces(204);
    }

    /// <summary>The tenant's default for an agent kind, or null.</summary>
    public static async Task<string?> DefaultAsync(StateReader rows, string tenant, string agent, CancellationToken cancellationToken) =>
        (await rows.FindAsync("agent_default", tenant, agent, StateJsonContext.Default.AgentDefaultView, cancellationToken))?.ConfigId;

    private static async Task<IResult> CreateAsync(HttpContext http, Api api, SecretSealer sealer, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateAgentConfigModel);
        var fresh = api.NewId(EntityId.AgentConfig);
        var command = AgentConfigRules.Check(model, caller.Tenant, fresh, sealer);
        var reservation = await api.ReserveAsync(http, caller, body, fresh);
        // A box opens for its own id alone.
        if (reservation.IsRepeat) command = AgentConfigRules.Check(model, caller.Tenant, reservation.ResultId, sealer);
        var config = api.Grain<IAgentConfigGrain>(caller, EntityId.AgentConfig, reservation.ResultId);
        var view = await api.CallAsync(token => config.CreateAsync(command, token), http.RequestAborted);
        http.Response.Headers.Location = $"{Path}/{view.Id}";
        return await ShowAsync(view, caller, rows, http, StatusCodes.Status201Created);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var config = api.Grain<IAgentConfigGrain>(caller, EntityId.AgentConfig, id);
        return await ShowAsync(await api.CallAsync(token => config.GetAsync(token).AsTask(), http.RequestAborted), caller, rows, http);
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        var filter = new StateFilter("agent_config", tenant, query.Limit(), query.Cursor(EntityId.AgentConfig))
        {
            Labels = query.Labels(),
            Members = [("agent", query.Many("agent"))],
        };
        query.Errors.ThrowIfAny();
        var defaults = (await rows.ListAsync(new StateFilter("agent_default", tenant, 200, null), StateJsonContext.Default.AgentDefaultView, http.RequestAborted))
            .Items.Select(item => item.ConfigId).ToHashSet();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.AgentConfigView, http.RequestAborted);
        var list = page.ToList(view => AgentConfigModel.Of(view, defaults.Contains(view.Id)), config => config.Id);
        return Api.Ok(list, GatewayJsonContext.Plain.AgentConfigList);
    }

    private static async Task<IResult> UpdateAsync(string id, HttpContext http, Api api, SecretSealer sealer, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var config = api.Grain<IAgentConfigGrain>(caller, EntityId.AgentConfig, id);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.UpdateAgentConfigModel);
        var command = AgentConfigRules.Check(model, caller.Tenant, id, sealer);
        return await ShowAsync(await api.CallAsync(token => config.UpdateAsync(command, token), http.RequestAborted), caller, rows, http);
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var config = api.Grain<IAgentConfigGrain>(caller, EntityId.AgentConfig, id);
        await InUse.MustBeFreeAsync("agent_config_id", id, caller.Tenant, rows, http.RequestAborted);
        await api.CallAsync(
            async token =>
            {
                await config.DeleteAsync(token);
                return true;
            },
            http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> ShowAsync(AgentConfigView view, Caller caller, StateReader rows, HttpContext http, int status = StatusCodes.Status200OK)
    {
        var isDefault = await DefaultAsync(rows, caller.Tenant, view.Agent, http.RequestAborted) == view.Id;
        return Api.Ok(AgentConfigModel.Of(view, isDefault), GatewayJsonContext.Plain.AgentConfigModel, status);
    }
}
