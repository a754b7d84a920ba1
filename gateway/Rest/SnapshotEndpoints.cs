using System.Buffers.Text;
using System.IO.Compression;
using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Workspaces;
using Marionette.Workspaces;
using Microsoft.AspNetCore.Http.Features;

namespace Marionette.Gateway.Rest;

/// <summary>Stored trees of files: of sessions, with or without a runner, and uploaded ones.</summary>
internal static class SnapshotEndpoints
{
    private const string Read = "workspaces:read", Write = "workspaces:write", Path = "/api/v1/snapshots";

    private const int MostChanges = 10_000, LongestPath = 4096;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(Path, ListAsync).Api(Read, "ListSnapshots", "Snapshots, newest first", 409).Produces<ListModel<SnapshotModel>>().Paged()
            .Query("session_id", "Of this session", true).Query("part", "workspace, home, upload", true);
        routes.MapPost(Path, UploadAsync).Api(Write, "UploadSnapshot", "Store an archive's files (tar, tar.gz, tar.zst, zip) as a snapshot", 409, 413)
            .Accepts<Stream>("*/*").Produces<SnapshotModel>(201)
            .Query("name", "For people").Query("strip", "Folders to leave out at the front of every path, 0 to 100; default 0");
        routes.MapGet($"{Path}/{{id}}", GetAsync).Api(Read, "GetSnapshot", "A snapshot", 404, 409).Produces<SnapshotModel>();
        routes.MapPatch($"{Path}/{{id}}", ChangeAsync).Api(Write, "ChangeSnapshot", "Name it, or keep it from rules of retention", 404, 409, 413)
            .Accepts<ChangeSnapshotModel>("application/json").Produces<SnapshotModel>();
        routes.MapDelete($"{Path}/{{id}}", DeleteAsync).Api(Write, "DeleteSnapshot", "Delete it; 409 while a session goes on from it", 404, 409).Produces(204);
        routes.MapGet($"{Path}/{{id}}/files", FilesAsync).Api(Read, "ListSnapshotFiles", "What is in a folder of it", 404, 409).Produces<FileListModel>()
            .Query("path", "Folder, with slashes; left out = the root").Query("limit", $"Entries of a page, 1 to {ListQuery.MaxLimit}; default {ListQuery.MaxLimit}").Query("cursor", "next_cursor of the page before");
        routes.MapGet($"{Path}/{{id}}/content", ContentAsync).Api(Read, "GetSnapshotFile", "A file's bytes", 404, 409).Produces(200, contentType: "application/octet-stream")
            .Query("path", "The file, with slashes");
        routes.MapGet($"{Path}/{{id}}/archive", ArchiveAsync).Api(Read, "GetSnapshotArchive", "All of it, or a part, as an archive", 404, 409).Produces(200, contentType: "application/x-tar")
            .Query("path", "Folder or file, with slashes; left out = all").Query("format", "tar, tar.gz; default tar");
        routes.MapGet($"{Path}/{{id}}/diff", DiffAsync).Api(Read, "DiffSnapshots", "What changed from another snapshot to this one", 404, 409).Produces<ChangeListModel>()
            .Query("base", "The other snapshot; left out = this one's parent").Query("limit", $"Differences, 1 to {MostChanges}; default 1000");
    }

    private static async Task<IResult> ListAsync(HttpContext http, ChunkStores stores, SnapshotTable table)
    {
        MustKeep(stores);
        var query = new ListQuery(http.Request);
        var filter = new SnapshotFilter(
            query.Limit(), query.Cursor(SnapshotCatalog.IsId, 200), query.Many("session_id"), query.Many("part", [SnapshotRow.Workspace, SnapshotRow.Home, SnapshotRow.Upload]));
        query.Errors.ThrowIfAny();
        var (items, total) = await table.ListAsync(AuthMiddleware.CallerOf(http).Tenant, filter with { Limit = filter.Limit + 1 }, http.RequestAborted);
        var hasMore = items.Count > filter.Limit;
        if (hasMore) items.RemoveAt(filter.Limit);
        var list = new ListModel<SnapshotModel>([.. items.Select(SnapshotModel.Of)], hasMore, hasMore ? ListQuery.CursorOf(items[^1].Id) : null, total);
        return Api.Ok(list, GatewayJsonContext.Plain.SnapshotList);
    }

    private static async Task<IResult> GetAsync(string id, HttpContext http, ChunkStores stores, SnapshotTable table) =>
        Api.Ok(SnapshotModel.Of(await FindAsync(id, http, stores, table)), GatewayJsonContext.Plain.SnapshotModel);

    private static async Task<IResult> ChangeAsync(string id, HttpContext http, Api api, ChunkStores stores, SnapshotTable table)
    {
        await FindAsync(id, http, stores, table);
        var model = RequestBody.Parse(await api.ReadBodyAsync(http), GatewayJsonContext.Plain.ChangeSnapshotModel);
        var errors = new FieldErrors();
        var name = errors.Text("name", model.Name, 200);
        errors.ThrowIfAny();
        var row = await stores.SnapshotsOf(AuthMiddleware.CallerOf(http).Tenant).ChangeAsync(id, name, model.IsKept, http.RequestAborted) ?? throw NotFound();
        return Api.Ok(SnapshotModel.Of(row), GatewayJsonContext.Plain.SnapshotModel);
    }

    private static async Task<IResult> DeleteAsync(string id, HttpContext http, ChunkStores stores, SnapshotTable table)
    {
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        var row = await FindAsync(id, http, stores, table);
        if (!await table.TryDeleteAsync(tenant, id, http.RequestAborted))
        {
            throw new MarionetteException(FaultCode.Conflict, row.SessionId is { } session
                ? $"Session {session} goes on from it, or is about to. End the session first, or wait for its next checkpoint."
                : "Somebody uses it at this moment; ask again in a minute.");
        }

        await stores.SnapshotsOf(tenant).RemoveRecordAsync(id, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> FilesAsync(string id, HttpContext http, ChunkStores stores)
    {
        var query = new ListQuery(http.Request);
        var path = PathOf(query);
        var limit = query.Limit(ListQuery.MaxLimit);
        var behind = CursorOf(query);
        query.Errors.ThrowIfAny();
        using var reader = await OpenAsync(id, http, stores);
        var prefix = string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != "."));
        var files = new List<SnapshotFileModel>();
        byte[] last = [];
        await foreach (var entry in reader.ListAsync(path, http.RequestAborted))
        {
            if (behind is not null && entry.Name.AsSpan().SequenceCompareTo(behind) <= 0) continue;
            if (files.Count == limit) return Files(new FileListModel(files, true, Base64Url.EncodeToString([(byte)'/', .. last])));
            last = entry.Name;
            files.Add(SnapshotFileModel.Of(prefix.Length == 0 ? entry.NameText : $"{prefix}/{entry.NameText}", entry));
        }

        return Files(new FileListModel(files, false, null));

        static IResult Files(FileListModel list) => Api.Ok(list, GatewayJsonContext.Plain.FileListModel);
    }

    private static async Task<IResult> ContentAsync(string id, HttpContext http, ChunkStores stores)
    {
        var query = new ListQuery(http.Request);
        var path = PathOf(query);
        if (path.Length == 0) query.Errors.Add("path", "must name a file");
        using var reader = await OpenAsync(id, http, stores);
        query.Errors.ThrowIfAny();
        var entry = await reader.GetAsync(path, http.RequestAborted);
        if (entry.Type != EntryType.File) throw new MarionetteException([new FieldError("path", "is no file")]);
        Downloads.Begin(http.Response, "application/octet-stream", entry.NameText, entry.Size);
        await reader.CopyFileAsync(path, http.Response.Body, http.RequestAborted);
        return TypedResults.Empty;
    }

    private static async Task<IResult> ArchiveAsync(string id, HttpContext http, ChunkStores stores)
    {
        var query = new ListQuery(http.Request);
        var (path, format) = (PathOf(query), query.Single("format") ?? "tar");
        if (format is not ("tar" or "tar.gz")) query.Errors.Add("format", "must be one of tar, tar.gz");
        query.Errors.ThrowIfAny();
        using var reader = await OpenAsync(id, http, stores);
        var entry = await reader.GetAsync(path, http.RequestAborted);
        var name = entry.NameText.Length > 0 ? entry.NameText : id;
        Downloads.Begin(http.Response, format == "tar" ? "application/x-tar" : "application/gzip", $"{name}.{format}", null);
        if (format == "tar")
        {
            await new TarExport(reader).WriteAsync(path, http.Response.Body, http.RequestAborted);
            return TypedResults.Empty;
        }

        await using var packed = new GZipStream(http.Response.Body, CompressionLevel.Fastest, leaveOpen: true);
        await new TarExport(reader).WriteAsync(path, packed, http.RequestAborted);
        return TypedResults.Empty;
    }

    private static async Task<IResult> UploadAsync(HttpContext http, ChunkStores stores, SnapshotUploads uploads)
    {
        MustKeep(stores);
        var query = new ListQuery(http.Request);
        var name = query.Errors.Text("name", query.Single("name"), 200);
        var strip = query.Single("strip") is not { } text ? 0 : int.TryParse(text, out var number) && number is >= 0 and <= 100 ? number : Wrong(query, "strip", "must be from 0 to 100");
        query.Errors.ThrowIfAny();
        // The limit is the upload's own, and holds while it is read.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body) body.MaxRequestBodySize = null;
        var row = await uploads.StoreAsync(AuthMiddleware.CallerOf(http).Tenant, http.Request.Body, name, strip, http.RequestAborted);
        http.Response.Headers.Location = $"{Path}/{row.Id}";
        return Api.Ok(SnapshotModel.Of(row), GatewayJsonContext.Plain.SnapshotModel, StatusCodes.Status201Created);
    }

    private static int Wrong(ListQuery query, string field, string message)
    {
        query.Errors.Add(field, message);
        return 0;
    }

    private static async Task<IResult> DiffAsync(string id, HttpContext http, ChunkStores stores, SnapshotTable table)
    {
        var query = new ListQuery(http.Request);
        var limit = query.Limit(1000, MostChanges);
        var given = query.Single("base");
        query.Errors.ThrowIfAny();
        var row = await FindAsync(id, http, stores, table);
        var before = given ?? row.Parent ?? throw new MarionetteException([new FieldError("base", "must name a snapshot: this one has no parent")]);
        var changes = new List<ChangeModel>();
        await foreach (var change in stores.SnapshotsOf(AuthMiddleware.CallerOf(http).Tenant).CompareAsync(before, id, http.RequestAborted))
        {
            if (changes.Count == limit) return Changes(new ChangeListModel(changes, true));
            changes.Add(ChangeModel.Of(change));
        }

        return Changes(new ChangeListModel(changes, false));

        static IResult Changes(ChangeListModel list) => Api.Ok(list, GatewayJsonContext.Plain.ChangeListModel);
    }

    /// <summary>The name that the last page ended with: bytes, since names need not be text.</summary>
    private static byte[]? CursorOf(ListQuery query)
    {
        if (query.Single("cursor") is not { Length: > 0 } text) return null;
        if (text.Length < 400 && Base64Url.IsValid(text) && Base64Url.DecodeFromChars(text) is [(byte)'/', .. { Length: > 0 } name]) return name;
        query.Errors.Add("cursor", "is not a cursor of this list");
        return null;
    }

    private static string PathOf(ListQuery query)
    {
        var path = query.Single("path") ?? "";
        if (path.Length > LongestPath || path.Contains('\0')) query.Errors.Add("path", $"must have at most {LongestPath} characters and no U+0000");
        return path;
    }

    private static async Task<SnapshotReader> OpenAsync(string id, HttpContext http, ChunkStores stores)
    {
        MustKeep(stores);
        return (await stores.SnapshotsOf(AuthMiddleware.CallerOf(http).Tenant).OpenAsync(id, http.RequestAborted)).Reader;
    }

    private static async Task<SnapshotRow> FindAsync(string id, HttpContext http, ChunkStores stores, SnapshotTable table)
    {
        MustKeep(stores);
        return (SnapshotCatalog.IsId(id) ? await table.FindAsync(AuthMiddleware.CallerOf(http).Tenant, id, http.RequestAborted) : null) ?? throw NotFound();
    }

    private static void MustKeep(ChunkStores stores)
    {
        if (!stores.IsKept) throw SessionOrigins.NoStore();
    }

    private static MarionetteException NotFound() => new(FaultCode.NotFound, "There is no such snapshot.");
}
