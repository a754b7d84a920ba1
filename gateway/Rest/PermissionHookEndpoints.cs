using System.Buffers.Text;
using System.Security.Cryptography;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Secrets;
using Marionette.Permissions;

namespace Marionette.Gateway.Rest;

internal static class PermissionHookEndpoints
{
    /// <summary>Purpose of a hook's sealed secret.</summary>
    public const string SecretPurpose = "permission-hook";

    private const string Read = "policies:read", Write = "policies:write";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/v1/permission-hooks", CreateAsync).Api(Write, "CreatePermissionHook", "Ask an address about requests; the secret is shown this once", 409, 413)
            .Accepts<CreateHookModel>("application/json").Produces<CreatedHookModel>(201);
        routes.MapGet("/api/v1/permission-hooks", ListAsync).Api(Read, "ListPermissionHooks", "Hooks, oldest first").Produces<ListModel<HookModel>>();
        routes.MapGet("/api/v1/permission-hooks/{id}", GetAsync).Api(Read, "GetPermissionHook", "A hook without its secret", 404).Produces<HookModel>();
        routes.MapPut("/api/v1/permission-hooks/{id}", ReplaceAsync)
            .Api(Write, "ReplacePermissionHook", "Write a hook anew in its place; without `secret` it keeps the one it has", 404, 409, 413)
            .Accepts<CreateHookModel>("application/json").Produces<HookModel>();
        routes.MapDelete("/api/v1/permission-hooks/{id}", RemoveAsync).Api(Write, "DeletePermissionHook", "Ask it no more", 404).Produces(204);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api, SecretSealer sealer)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var model = RequestBody.Parse(body, GatewayJsonContext.Plain.CreateHookModel);
        var hook = Check(model);
        var secret = model.Secret ?? "whsec_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.PermissionHook));
        hook = hook with
        {
            Id = reservation.ResultId, CreatedBy = caller.Actor, CreatedAt = api.Clock.GetUtcNow(),
            Secret = sealer.Seal(caller.Tenant, reservation.ResultId, new SessionSecrets(secret, null), SecretPurpose),
        };
        var grain = api.Singleton<ITenantPolicyGrain>(caller, ITenantPolicyGrain.Id);
        var known = reservation.IsRepeat ? (await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted)).Hooks.FirstOrDefault(h => h.Id == hook.Id) : null;
        if (known is null) await api.CallAsync(token => grain.PutHookAsync(hook, token), http.RequestAborted);
        http.Response.Headers.Location = $"/api/v1/permission-hooks/{hook.Id}";
        http.Response.Headers.CacheControl = "no-store";
        return Api.Ok(
            new CreatedHookModel(HookModel.Of(known ?? hook), known is null ? secret : null), GatewayJsonContext.Plain.CreatedHookModel, StatusCodes.Status201Created);
    }

    private static async Task<IResult> ListAsync(HttpContext http, Api api)
    {
        var hooks = await HooksAsync(http, api);
        return Api.Ok(new ListModel<HookModel>([.. hooks.Select(HookModel.Of)], false, null, hooks.Count), GatewayJsonContext.Plain.HookList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        Api.Known(EntityId.PermissionHook, id);
        var hook = (await HooksAsync(http, api)).FirstOrDefault(h => h.Id == id) ?? throw Api.NotFound(EntityId.PermissionHook);
        return Api.Ok(HookModel.Of(hook), GatewayJsonContext.Plain.HookModel);
    }

    private static async Task<IResult> ReplaceAsync(string id, HttpContext http, Api api, SecretSealer sealer)
    {
        Api.Known(EntityId.PermissionHook, id);
        var caller = AuthMiddleware.CallerOf(http);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.CreateHookModel);
        var wanted = Check(model);
        var known = (await HooksAsync(http, api)).FirstOrDefault(h => h.Id == id) ?? throw Api.NotFound(EntityId.PermissionHook);
        var hook = wanted with
        {
            Id = id, CreatedBy = known.CreatedBy, CreatedAt = known.CreatedAt,
            Secret = model.Secret is { } secret ? sealer.Seal(caller.Tenant, id, new SessionSecrets(secret, null), SecretPurpose) : known.Secret,
        };
        var grain = api.Singleton<ITenantPolicyGrain>(caller, ITenantPolicyGrain.Id);
        await api.CallAsync(token => grain.PutHookAsync(hook, token), http.RequestAborted);
        return Api.Ok(HookModel.Of(hook), GatewayJsonContext.Plain.HookModel);
    }

    private static async Task<IResult> RemoveAsync(string id, HttpContext http, Api api)
    {
        Api.Known(EntityId.PermissionHook, id);
        var grain = api.Singleton<ITenantPolicyGrain>(AuthMiddleware.CallerOf(http), ITenantPolicyGrain.Id);
        if ((await HooksAsync(http, api)).All(h => h.Id != id)) throw Api.NotFound(EntityId.PermissionHook);
        await api.CallAsync(token => grain.RemoveHookAsync(id, token), http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IReadOnlyList<ApprovalHook>> HooksAsync(HttpContext http, Api api)
    {
        var grain = api.Singleton<ITenantPolicyGrain>(AuthMiddleware.CallerOf(http), ITenantPolicyGrain.Id);
        return (await api.CallAsync(token => grain.GetAsync(token).AsTask(), http.RequestAborted)).Hooks;
    }

    private static ApprovalHook Check(CreateHookModel model)
    {
        var errors = new FieldErrors();
        if (model.Url is not { Length: <= 2000 } url || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")
            || uri.Host.Length == 0 || uri.UserInfo.Length > 0 || url.Any(c => c is <= ' ' or > '~')) errors.Add("url", "must be an absolute http or https address without a user");
        if (model.Secret is { } secret && (secret.Length is < 16 or > 200 || secret.Any(c => c is <= ' ' or > '~'))) errors.Add("secret", "must have 16 to 200 printable ASCII characters");
        var hook = new ApprovalHook
        {
            Id = "", Url = model.Url ?? "", Name = errors.Text("name", model.Name, 200), RiskAtLeast = PolicyRules.Risk(errors, "risk_at_least", model.RiskAtLeast),
            Categories = PolicyRules.CheckCategories(errors, "categories", model.Categories), Labels = errors.Labels("labels", model.Labels),
            TimeoutSeconds = errors.Number("timeout_seconds", model.TimeoutSeconds, 1, 60, 10), Paused = model.Paused ?? false,
        };
        errors.ThrowIfAny();
        return hook;
    }
}
