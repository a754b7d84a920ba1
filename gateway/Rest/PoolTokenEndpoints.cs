using System.Collections.Immutable;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Hosting;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Pools;
using Microsoft.AspNetCore.Hosting.Server;

namespace Marionette.Gateway.Rest;

/// <summary>Join tokens: what a host needs once, to become one of a pool's.</summary>
internal static class PoolTokenEndpoints
{
    private const string Path = $"{PoolEndpoints.Path}/{{pool}}/tokens";
    private const int MaxTenants = 100, MostHosts = 100_000;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Path, CreateAsync).Api(ScopeRules.Operator, "CreateJoinToken", "Make a token by which hosts join; it is shown this once", 404, 409, 413)
            .Accepts<CreateJoinTokenModel>("application/json").Produces<CreatedJoinTokenModel>(201);
        routes.MapGet(Path, ListAsync).Api(ScopeRules.Operator, "ListJoinTokens", "Join tokens, newest first; ended ones for a while longer", 404)
            .Produces<ListModel<JoinTokenModel>>().Paged();
        routes.MapDelete($"{Path}/{{id}}", RevokeAsync).Api(ScopeRules.Operator, "RevokeJoinToken", "No host joins by it any more; those that have stay", 404)
            .Produces<JoinTokenModel>();
    }

    private static async Task<IResult> CreateAsync(string pool, HttpContext http, Api api, IGrainFactory grains, IServer server)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var command = Check(RequestBody.Parse(body, GatewayJsonContext.Plain.CreateJoinTokenModel), api.Clock.GetUtcNow());
        var grain = await PoolEndpoints.FindAsync(pool, http, api, grains);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.JoinToken));
        var (view, token) = reservation.IsRepeat ? (await RepeatAsync(grain, reservation.ResultId, http, api), null) : await MakeAsync();
        http.Response.Headers.CacheControl = "no-store";
        var created = new CreatedJoinTokenModel { Token = JoinTokenModel.Of(view), RawToken = token, GrpcPort = server.GrpcPort() };
        return Api.Ok(created, GatewayJsonContext.Plain.CreatedJoinTokenModel, StatusCodes.Status201Created);

        async Task<(JoinTokenView, string?)> MakeAsync()
        {
            JoinTokenCreated made;
            try
            {
                // Not called again by itself: each call makes a token.
                made = await grain.CreateTokenAsync(command, http.RequestAborted);
            }
            catch (MarionetteException e) when (e.Code is not (FaultCode.OutcomeUnknown or FaultCode.Internal))
            {
                await api.ReleaseAsync(caller, reservation);
                throw;
            }

            await api.CompleteAsync(caller, reservation, made.View.Id);
            return (made.View, made.Token);
        }
    }

    /// <summary>The token of an earlier request with the same key, as long as it is known which one that is.</summary>
    private static async Task<JoinTokenView> RepeatAsync(IPoolGrain grain, string id, HttpContext http, Api api) =>
        (await TokensAsync(grain, http, api)).FirstOrDefault(token => token.Id == id)
        ?? throw new MarionetteException(
            FaultCode.Conflict,
            "The first request with this Idempotency-Key has not ended, or its token is no more. Look at the list of tokens, or use another key.");

    private static async Task<IResult> ListAsync(string pool, HttpContext http, Api api, IGrainFactory grains)
    {
        var query = new ListQuery(http.Request);
        var (limit, before) = (query.Limit(), query.Cursor(EntityId.JoinToken));
        query.Errors.ThrowIfAny();
        var tokens = await TokensAsync(await PoolEndpoints.FindAsync(pool, http, api, grains), http, api);
        var page = PoolEndpoints.PageOf(tokens, token => token.Id, limit, before);
        return Api.Ok(page.ToList(JoinTokenModel.Of, token => token.Id), GatewayJsonContext.Plain.JoinTokenList);
    }

    private static async Task<IResult> RevokeAsync(string pool, string id, HttpContext http, Api api, IGrainFactory grains)
    {
        var grain = await PoolEndpoints.FindAsync(pool, http, api, grains);
        Api.Known(EntityId.JoinToken, id);
        var view = await api.CallAsync(token => grain.RevokeTokenAsync(id, token), http.RequestAborted);
        return Api.Ok(JoinTokenModel.Of(view), GatewayJsonContext.Plain.JoinTokenModel);
    }

    private static Task<ImmutableArray<JoinTokenView>> TokensAsync(IPoolGrain grain, HttpContext http, Api api) =>
        api.CallAsync(token => grain.ListTokensAsync(token).AsTask(), http.RequestAborted);

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    internal static CreateJoinToken Check(CreateJoinTokenModel body, DateTimeOffset now)
    {
        var errors = new FieldErrors();
        var name = errors.Text("name", body.Name, 80);
        if (string.IsNullOrWhiteSpace(name)) errors.Add("name", "is required");
        if (body.Tenants is { Count: > MaxTenants }) errors.Add("tenants", $"must have at most {MaxTenants} entries");
        foreach (var tenant in body.Tenants ?? [])
            if (!GrainKeys.IsTenant(tenant)) errors.Add("tenants", "must have 1 to 40 characters of a-z, 0-9 and - each");
        if (body.ExpiresAt <= now) errors.Add("expires_at", "must lie in the future");
        var hosts = errors.Number("max_hosts", body.MaxHosts, 0, MostHosts, 0);
        errors.ThrowIfAny();
        return new CreateJoinToken(name!, [.. (body.Tenants ?? []).Select(tenant => tenant!).Distinct()], body.ExpiresAt?.ToUniversalTime(), hosts);
    }
}
