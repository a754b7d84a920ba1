using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

internal static class KeyEndpoints
{
    private const string Read = "keys:read", Write = "keys:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/keys", CreateAsync).Api(Write, "CreateKey", "Make a key; the raw token is shown this once", 409)
            .Accepts<CreateKeyModel>("application/json").Produces<CreatedKeyModel>(201);
        routes.MapGet("/api/v1/keys", ListAsync).Api(Read, "ListKeys", "Keys, newest first, revoked ones too").Produces<ListModel<KeyModel>>().Paged();
        routes.MapGet("/api/v1/keys/{id}", GetAsync).Api(Read, "GetKey", "A key without its token", 404).Produces<KeyModel>();
        routes.MapDelete("/api/v1/keys/{id}", RevokeAsync).Api(Write, "RevokeKey", "End a key", 404).Produces(204)
            .Query("reason", "Why, for people");
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api, ApiKeyStore keys)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateKeyModel);
        var now = api.Clock.GetUtcNow();
        var token = ApiToken.New();
        var draft = KeyRules.Check(model, caller, now, ApiToken.Shown(token));
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.ApiKey));
        var key = draft with { Id = reservation.ResultId };
        var isNew = await keys.AddAsync(key, token, http.RequestAborted);
        var stored = isNew ? key : await keys.GetAsync(key.Tenant, key.Id, http.RequestAborted) ?? throw Api.NotFound(EntityId.ApiKey);
        http.Response.Headers.Location = $"/api/v1/keys/{stored.Id}";
        http.Response.Headers.CacheControl = "no-store";
        var created = new CreatedKeyModel { Key = KeyModel.Of(stored), RawToken = isNew ? token : null };
        return Api.Ok(created, GatewayJsonContext.Plain.CreatedKeyModel, StatusCodes.Status201Created);
    }

    private static async Task<IResult> ListAsync(HttpContext http, ApiKeyStore keys)
    {
        var query = new ListQuery(http.Request);
        var (limit, before) = (query.Limit(), query.Cursor(EntityId.ApiKey));
        query.Errors.ThrowIfAny();
        var (found, total) = await keys.ListAsync(AuthMiddleware.CallerOf(http).Tenant, before, limit + 1, http.RequestAborted);
        var page = new StatePage<ApiKeyRecord>(found.Take(limit).ToList(), found.Count > limit, total);
        return Api.Ok(page.ToList(KeyModel.Of, key => key.Id), GatewayJsonContext.Plain.KeyList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, ApiKeyStore keys)
    {
        Api.Known(EntityId.ApiKey, id);
        var key = await keys.GetAsync(AuthMiddleware.CallerOf(http).Tenant, id, http.RequestAborted) ?? throw Api.NotFound(EntityId.ApiKey);
        return Api.Ok(KeyModel.Of(key), GatewayJsonContext.Plain.KeyModel);
    }

    private static async Task<IResult> RevokeAsync(string id, HttpContext http, ApiKeyStore keys)
    {
        Api.Known(EntityId.ApiKey, id);
        var query = new ListQuery(http.Request);
        var reason = query.Errors.Text("reason", query.Single("reason"), ReasonRules.MaxLength);
        query.Errors.ThrowIfAny();
        if (!await keys.RevokeAsync(AuthMiddleware.CallerOf(http).Tenant, id, reason, http.RequestAborted)) throw Api.NotFound(EntityId.ApiKey);
        return TypedResults.NoContent();
    }
}
