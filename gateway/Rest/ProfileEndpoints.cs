using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Profiles;

namespace Marionette.Gateway.Rest;

internal static class ProfileEndpoints
{
    private const string Read = "profiles:read", Write = "profiles:write", Path = "/api/v1/profiles";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Path, CreateAsync).Api(Write, "CreateProfile", "Make a size and make of runners", 409, 413)
            .Accepts<ChangeProfileModel>("application/json").Produces<ProfileModel>(201);
        routes.MapGet(Path, ListAsync).Api(Read, "ListProfiles", "Profiles, newest first").Produces<ListModel<ProfileModel>>().Paged()
            .Query("labels[key]", "Those that have this label", true);
        routes.MapGet($"{Path}/{{id}}", GetAsync).Api(Read, "GetProfile", "A profile", 404).Produces<ProfileModel>();
        routes.MapPut($"{Path}/{{id}}", UpdateAsync).Api(Write, "PutProfile", "The same as PATCH: what is not given stays", 404, 413)
            .Accepts<ChangeProfileModel>("application/json").Produces<ProfileModel>();
        routes.MapPatch($"{Path}/{{id}}", UpdateAsync).Api(Write, "UpdateProfile", "Change it; runners have it from their next start on", 404, 413)
            .Accepts<ChangeProfileModel>("application/json").Produces<ProfileModel>();
        routes.MapDelete($"{Path}/{{id}}", DeleteAsync).Api(Write, "DeleteProfile", "Remove it; 409 while something uses it", 404, 409).Produces(204);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, Api api)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var body = await api.ReadBodyAsync(http);
        var command = ProfileRules.Check(RequestBody.Parse(body, GatewayJsonContext.Plain.ChangeProfileModel), isNew: true);
        var reservation = await api.ReserveAsync(http, caller, body, api.NewId(EntityId.Profile));
        var profile = api.Grain<IProfileGrain>(caller, EntityId.Profile, reservation.ResultId);
        var view = await api.CallAsync(token => profile.CreateAsync(command, token), http.RequestAborted);
        http.Response.Headers.Location = $"{Path}/{view.Id}";
        return Api.Ok(ProfileModel.Of(view), GatewayJsonContext.Plain.ProfileModel, StatusCodes.Status201Created);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, Api api)
    {
        var profile = api.Grain<IProfileGrain>(AuthMiddleware.CallerOf(http), EntityId.Profile, id);
        var view = await api.CallAsync(token => profile.GetAsync(token).AsTask(), http.RequestAborted);
        return Api.Ok(ProfileModel.Of(view), GatewayJsonContext.Plain.ProfileModel);
    }

    private static async Task<IResult> ListAsync(HttpContext http, StateReader rows)
    {
        var query = new ListQuery(http.Request);
        var filter = new StateFilter("profile", AuthMiddleware.CallerOf(http).Tenant, query.Limit(), query.Cursor(EntityId.Profile)) { Labels = query.Labels() };
        query.Errors.ThrowIfAny();
        var page = await rows.ListAsync(filter, StateJsonContext.Default.ProfileView, http.RequestAborted);
        return Api.Ok(page.ToList(ProfileModel.Of, profile => profile.Id), GatewayJsonContext.Plain.ProfileList);
    }

    private static async Task<IResult> UpdateAsync(string id, HttpContext http, Api api)
    {
        var profile = api.Grain<IProfileGrain>(AuthMiddleware.CallerOf(http), EntityId.Profile, id);
        var command = ProfileRules.Check(RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.ChangeProfileModel), isNew: false);
        var view = await api.CallAsync(token => profile.UpdateAsync(command, token), http.RequestAborted);
        return Api.Ok(ProfileModel.Of(view), GatewayJsonContext.Plain.ProfileModel);
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext http, Api api, StateReader rows)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var profile = api.Grain<IProfileGrain>(caller, EntityId.Profile, id);
        await InUse.MustBeFreeAsync("profile_id", id, caller.Tenant, rows, http.RequestAborted);
        await api.CallAsync(
            async token =>
            {
                await profile.DeleteAsync(token);
                return true;
            },
            http.RequestAborted);
        return TypedResults.NoContent();
    }
}
