using Marionette.Gateway.Auth;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Streams;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

internal static class EventEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/v1/sessions/{id}/events", SessionAsync)
            .Api("tasks:read", "StreamSessionEvents", "A session's log: as server-sent events, over a WebSocket, or a page", 404, 429)
            .Streaming("tasks:read").Produces<EventListModel>(200, "application/json", "text/event-stream").Produces(101)
            .Query("after", "Seq of the last event that you have; 0 or nothing: from the start. The header Last-Event-ID goes before it")
            .Query("types", "Types to see, with wildcards: text, task.*", true).Query("follow", "false: end when everything stored is sent")
            .Query("limit", "Page only: 1 to 200 events, default 50").Query("token", "API key, where headers cannot be set");
        routes.MapGet("/api/v1/sessions/{id}/recording", RecordingAsync)
            .Api("tasks:read", "GetSessionRecording", "A session's whole log as a recording: newline-delimited JSON, a header and then every event", 404)
            .Produces(200, contentType: RecordingWriter.MediaType);
        routes.MapGet("/api/v1/events", TenantAsync)
            .Api("events:read", "StreamEvents", "The tenant's lifecycle events: as server-sent events, over a WebSocket, or a page", 429)
            .Streaming("events:read").Produces<EventListModel>(200, "application/json", "text/event-stream").Produces(101)
            .Query("after", "Cursor of the last event that you have, 0: from the start. Without it a stream begins now and a page at the start")
            .Query("types", "Types to see, with wildcards: session.*", true).Query("follow", "false: end when everything stored is sent")
            .Query("limit", "Page only: 1 to 200 events, default 50").Query("token", "API key, where headers cannot be set");
    }

    private static async Task SessionAsync(string id, HttpContext http, EventStore store, FeedHub hub, StreamResponse response)
    {
        var caller = AuthMiddleware.CallerOf(http);
        Api.Known(EntityId.Session, id);
        var query = new ListQuery(http.Request);
        var streaming = http.WebSockets.IsWebSocketRequest || StreamResponse.WantsEvents(http.Request);
        var (filter, follow, limit) = (Types(query), Follow(query), query.Limit());
        var after = StreamPosition.Start;
        if (AfterOf(http.Request, query, streaming) is { } text && !StreamPosition.TryParseSeq(text, out after)) query.Errors.Add("after", "must be a seq");
        query.Errors.ThrowIfAny();

        var head = await store.HeadAsync(caller.Tenant, id, http.RequestAborted) ?? throw Api.NotFound(EntityId.Session);
        if (after.Minor > head)
            throw new MarionetteException([new FieldError("after", $"is beyond the newest event, which is {head}")]);
        if (!streaming)
        {
            var page = await store.ReadSelectionAsync(caller.Tenant, id, after.Minor, limit, filter, null, http.RequestAborted);
            var cursor = page.Blocks is [.., var last] ? last.Last.Minor : after.Minor;
            await EventPageWriter.WriteAsync(http, page, cursor.ToString(),
                (position, offset) => store.ReadPayloadAsync(id, position.Minor, offset, EventFeed.PieceBytes, http.RequestAborted));
            return;
        }
        using var lease = hub.OpenSession(caller.Tenant, id, head);
        var request = new StreamRequest(filter, after, follow ? null : StreamPosition.OfSeq(head), TenantStream: false);
        await (http.WebSockets.IsWebSocketRequest ? response.WebSocketAsync(http, lease.Feed, request) : response.SseAsync(http, lease.Feed, request));
    }

    private static async Task RecordingAsync(string id, HttpContext http, Api api, EventStore store, TimeProvider clock)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var session = api.Grain<ISessionGrain>(caller, EntityId.Session, id);
        var view = await api.CallAsync(token => session.GetAsync(token).AsTask(), http.RequestAborted);
        var head = await store.HeadAsync(caller.Tenant, id, http.RequestAborted) ?? throw Api.NotFound(EntityId.Session);
        await RecordingWriter.WriteAsync(http, store, caller.Tenant, view, head, clock.GetUtcNow());
    }

    private static async Task TenantAsync(HttpContext http, EventStore store, FeedHub hub, StreamResponse response)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var query = new ListQuery(http.Request);
        var streaming = http.WebSockets.IsWebSocketRequest || StreamResponse.WantsEvents(http.Request);
        var (filter, follow, limit) = (Types(query, "event_type"), Follow(query), query.Limit());
        var text = AfterOf(http.Request, query, streaming);
        var after = StreamPosition.Start;
        if (text is not null && !StreamPosition.TryParseTenant(text, out after)) query.Errors.Add("after", "must be a cursor of this stream, or 0");
        query.Errors.ThrowIfAny();

        if (!streaming)
        {
            var page = await store.ReadTenantAsync(caller.Tenant, after, limit, filter, http.RequestAborted);
            var cursor = page.Blocks is [.., var last] ? last.Last : after;
            await EventPageWriter.WriteAsync(http, page, cursor.ToTenantText(),
                (position, offset) => store.ReadTenantPayloadAsync(caller.Tenant, position, offset, EventFeed.PieceBytes, http.RequestAborted));
            return;
        }
        var head = await store.TenantHeadAsync(caller.Tenant, http.RequestAborted);
        if (text is null) after = head;
        using var lease = hub.OpenTenant(caller.Tenant, head);
        var request = new StreamRequest(filter, after, follow ? null : head, TenantStream: true);
        await (http.WebSockets.IsWebSocketRequest ? response.WebSocketAsync(http, lease.Feed, request) : response.SseAsync(http, lease.Feed, request));
    }

    // A browser that reconnects repeats the address that it was given; where it really stands is in the header.
    private static string? AfterOf(HttpRequest request, ListQuery query, bool streaming)
    {
        var given = query.Single("after");
        return streaming && request.Headers["Last-Event-ID"] is [{ Length: > 0 } last] ? last : given is "" ? null : given;
    }

    private static TypeFilter Types(ListQuery query, string? alias = null)
    {
        var filter = TypeFilter.Parse([.. query.Values("types"), .. alias is null ? [] : query.Values(alias)]);
        if (filter is null) query.Errors.Add("types", "must be event types or prefix.*, at most 64");
        return filter ?? TypeFilter.None;
    }

    private static bool Follow(ListQuery query)
    {
        var text = query.Single("follow");
        if (text is not (null or "true" or "false")) query.Errors.Add("follow", "must be true or false");
        return text != "false";
    }
}
