using Marionette.Gateway.Auth;
using Marionette.Gateway.Json;
using Marionette.Gateway.Logs;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Streams;
using Marionette.Tasks;
using Microsoft.AspNetCore.Mvc;

namespace Marionette.Gateway.Rest;

/// <summary>The output events as the original's clients read them: oldest first, and live over a WebSocket.</summary>
internal static class LogEndpoints
{
    private const string Read = "tasks:read";
    private static readonly string[] Levels = ["debug", "info", "warn", "error"], Streams = ["stdout", "stderr", "system"];

    public static void Map(IEndpointRouteBuilder routes)
    {
        Describe(routes.MapGet("/api/v1/sessions/{id}/logs", SessionAsync).Api(Read, "ListSessionLogs", "A session's output, oldest first", 404));
        Describe(routes.MapGet("/api/v1/tasks/{id}/logs", TaskAsync).Api(Read, "ListTaskLogs", "A task's output, oldest first", 404));
        routes.MapGet("/api/v1/logs/{task_id}/stream", StreamAsync).Api(Read, "StreamTaskLogs", "A task's output over a WebSocket, one Log a message", 404, 429)
            .Streaming(Read).Produces(101).Query("token", "API key, where headers cannot be set")
            .Query("after", "sequence of the last Log that you have; nothing: from the task's first");

        static void Describe(RouteHandlerBuilder endpoint) => endpoint.Produces<ListModel<LogModel>>().Paged()
            .Query("level", "debug, info, warn, error", true).Query("stream", "stdout, stderr, system", true);
    }

    private static async Task<IResult> SessionAsync(string id, HttpContext http, EventStore store, StateReader rows)
    {
        Api.Known(EntityId.Session, id);
        if (await store.HeadAsync(AuthMiddleware.CallerOf(http).Tenant, id, http.RequestAborted) is null) throw Api.NotFound(EntityId.Session);
        return await ListAsync(http, store, rows, id, null);
    }

    private static async Task<IResult> TaskAsync(string id, HttpContext http, Api api, EventStore store, StateReader rows) =>
        await ListAsync(http, store, rows, (await ViewAsync(id, http, api)).SessionId, id);

    private static async Task<IResult> ListAsync(HttpContext http, EventStore store, StateReader rows, string session, string? task)
    {
        var tenant = AuthMiddleware.CallerOf(http).Tenant;
        var query = new ListQuery(http.Request);
        var (limit, levels, streams) = (query.Limit(), query.Many("level", Levels), query.Many("stream", Streams));
        var after = StreamPosition.Start;
        if (query.Single("cursor") is { Length: > 0 } cursor && !StreamPosition.TryParseSeq(cursor, out after))
            query.Errors.Add("cursor", "is not a cursor of this list");
        query.Errors.ThrowIfAny();

        var mapper = new LogMapper(new RunnerNames(rows, tenant));
        var items = new List<LogModel>();
        var more = true;
        // A filter on what stands inside the payloads may leave out a whole page: look on until there is something, or nothing.
        while (items.Count == 0 && more)
        {
            var page = await store.ReadSelectionAsync(tenant, session, after.Minor, limit, LogMapper.Types, task, http.RequestAborted);
            foreach (var block in page.Blocks)
            {
                for (var i = 0; i < block.Frames.Length; i++)
                {
                    var log = await mapper.MapAsync(block, i, http.RequestAborted);
                    if (levels?.Contains(log.Level) != false && streams?.Contains(log.Stream) != false) items.Add(log);
                }
                after = block.Last;
            }
            more = page.HasMore;
        }
        // How many pass such a filter is known only by reading them all.
        long? total = levels is null && streams is null ? await store.CountAsync(tenant, session, LogMapper.Types, task, http.RequestAborted) : null;
        return Api.Ok(new ListModel<LogModel>(items, more, more ? after.Minor.ToString() : null, total), GatewayJsonContext.Plain.LogList);
    }

    private static async Task StreamAsync([FromRoute(Name = "task_id")] string id, HttpContext http, Api api, EventStore store, StateReader rows, FeedHub hub, StreamResponse response)
    {
        var caller = AuthMiddleware.CallerOf(http);
        var view = await ViewAsync(id, http, api);
        var query = new ListQuery(http.Request);
        var after = StreamPosition.OfSeq(Math.Max(0, view.FirstSeq - 1));
        if (query.Single("after") is { Length: > 0 } text && !StreamPosition.TryParseSeq(text, out after)) query.Errors.Add("after", "must be a sequence");
        if (!http.WebSockets.IsWebSocketRequest) query.Errors.Add("Upgrade", "must be websocket: this route is a WebSocket");
        query.Errors.ThrowIfAny();

        var head = await store.HeadAsync(caller.Tenant, view.SessionId, http.RequestAborted) ?? throw Api.NotFound(EntityId.Task);
        using var lease = hub.OpenSession(caller.Tenant, view.SessionId, head);
        var request = new StreamRequest(LogMapper.Types, after, null, TenantStream: false);
        var mapper = new LogMapper(new RunnerNames(rows, caller.Tenant));
        await response.WebSocketAsync(http, lease.Feed, request, socket => new LogSocketSink(socket, view.Id, mapper));
    }

    private static async Task<TaskView> ViewAsync(string id, HttpContext http, Api api)
    {
        var task = api.Grain<ITaskGrain>(AuthMiddleware.CallerOf(http), EntityId.Task, id);
        return await api.CallAsync(token => task.GetAsync(token).AsTask(), http.RequestAborted);
    }
}
