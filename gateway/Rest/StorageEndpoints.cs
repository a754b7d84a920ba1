using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Workspaces;
using Marionette.Gateway.Workspaces.Upkeep;
using Marionette.Workspaces;

namespace Marionette.Gateway.Rest;

/// <summary>The caller's tenant's part of the chunk store: how much there is, its upkeep, and whether all of it is sound.</summary>
internal static class StorageEndpoints
{
    private const string Read = "workspaces:read", Write = "workspaces:write", Path = "/api/v1/storage";

    private const int MostDefects = 100;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Path, GetAsync).Api(Read, "GetStorage", "How much the tenant has stored", 409).Produces<StorageModel>();
        routes.MapPost($"{Path}/collect", CollectAsync).Api(Write, "CollectStorage", "Apply the rules of retention and delete what nothing needs, now", 409).Produces<CollectionModel>();
        routes.MapPost($"{Path}/check", CheckAsync).Api(Write, "CheckStorage", "Check everything that is stored; answers when it is done", 409).Produces<CheckModel>()
            .Query("read_data", "true: also read and open every chunk");
        routes.MapPost($"{Path}/rewrap", RewrapAsync).Api("operator", "RewrapStorage", "Put all tenants' keys under the key that wraps now", 409).Produces<RewrapModel>();
    }

    private static async Task<IResult> GetAsync(HttpContext http, ChunkStores stores, UpkeepTable table, GatewayOptions options)
    {
        if (!stores.IsKept) throw SessionOrigins.NoStore();
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        var times = await table.TimesAsync(tenant, http.RequestAborted);
        var (packs, bytes, snapshots, mirrors) = await table.SizesAsync(tenant, http.RequestAborted);
        var model = new StorageModel
        {
            BytesStored = bytes, BytesLimit = options.Keeping.TenantBytes > 0 ? options.Keeping.TenantBytes : null, Packs = packs, Snapshots = snapshots, Mirrors = mirrors,
            LookedAt = times.LookedAt?.UtcDateTime, CollectedAt = times.CollectedAt?.UtcDateTime,
            PacksMissing = times.Report?.PacksMissing, PacksCondemned = times.Report?.Condemned,
        };
        return Api.Ok(model, GatewayJsonContext.Plain.StorageModel);
    }

    private static async Task<IResult> CollectAsync(HttpContext http, ChunkStores stores, StoreUpkeep upkeep)
    {
        if (!stores.IsKept) throw SessionOrigins.NoStore();
        var report = await upkeep.RunAsync(AuthMiddleware.CallerOf(http).Tenant, collect: true, http.RequestAborted)
            ?? throw new MarionetteException(FaultCode.Conflict, "Another collection is at work; ask again when it is done.");
        var model = new CollectionModel
        {
            Checkpoints = report.Checkpoints, Snapshots = report.Snapshots, PacksCondemned = report.Condemned, PacksDeleted = report.Deleted, BytesDeleted = report.BytesDeleted,
        };
        return Api.Ok(model, GatewayJsonContext.Plain.CollectionModel);
    }

    private static async Task<IResult> CheckAsync(HttpContext http, ChunkStores stores)
    {
        if (!stores.IsKept) throw SessionOrigins.NoStore();
        var query = new ListQuery(http.Request);
        var readData = query.Single("read_data") is { } text ? text == "true" || (text == "false" ? false : Wrong(query)) : false;
        query.Errors.ThrowIfAny();
        if (!await stores.Checks.WaitAsync(TimeSpan.Zero, http.RequestAborted)) throw new MarionetteException(FaultCode.Conflict, "Another check is at work; ask again when it is done.");
        CheckReport report;
        try
        {
            report = await stores.Of(AuthMiddleware.CallerOf(http).Tenant).CheckAsync(readData, http.RequestAborted);
        }
        finally
        {
            stores.Checks.Release();
        }

        var model = new CheckModel
        {
            IsSound = report.Defects.Count == 0, Snapshots = report.Snapshots, Packs = report.Packs, Chunks = report.Chunks,
            Defects = [.. report.Defects.Take(MostDefects).Select(one => $"{one.Name}{(one.Chunk is { } chunk ? $" chunk {chunk}" : "")}: {one.What}{(one.Paths.Count > 0 ? $" ({one.Paths[0]})" : "")}")],
        };
        return Api.Ok(model, GatewayJsonContext.Plain.CheckModel);
    }

    private static async Task<IResult> RewrapAsync(HttpContext http, ChunkStores stores, UpkeepTable table)
    {
        if (!stores.IsKept) throw SessionOrigins.NoStore();
        var (rewrapped, failed) = (0, new List<string>());
        foreach (var tenant in await table.TenantsAsync(http.RequestAborted))
        {
            try
            {
                if (await stores.Of(tenant).RewrapAsync(http.RequestAborted)) rewrapped++;
            }
            catch (WorkspaceException fault) when (fault.Fault == WorkspaceFault.Missing)
            {
                // It was shredded, or never stored anything.
            }
            catch (WorkspaceException fault)
            {
                failed.Add($"{tenant}: {fault.Message}");
            }
        }

        return Api.Ok(new RewrapModel { Key = stores.WrappingKey, Rewrapped = rewrapped, Failed = failed }, GatewayJsonContext.Plain.RewrapModel);
    }

    private static bool Wrong(ListQuery query)
    {
        query.Errors.Add("read_data", "must be true or false");
        return false;
    }
}
