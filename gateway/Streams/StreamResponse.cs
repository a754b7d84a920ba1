using System.Net.WebSockets;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Marionette.Gateway.Streams;

/// <summary>What a reader asked for.</summary>
/// <param name="After">Position of the last event that it has.</param>
/// <param name="Until">With <c>follow=false</c>: where it ends.</param>
internal sealed record StreamRequest(TypeFilter Filter, StreamPosition After, StreamPosition? Until, bool TenantStream);

/// <summary>Answers a request with a stream, as server-sent events or over a WebSocket.</summary>
internal sealed class StreamResponse(GatewayOptions options, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<EventPump> log)
{
    // A client may be slow to read the rest of a replay; a server that stops does not wait long for anybody.
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(30), LeaveLimit = TimeSpan.FromSeconds(2);

    public static bool WantsEvents(HttpRequest request) =>
        request.Headers.Accept.Any(value => value?.Contains("text/event-stream", StringComparison.OrdinalIgnoreCase) == true);

    public async Task SseAsync(HttpContext http, EventFeed feed, StreamRequest request)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        var response = http.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-store";
        response.Headers["X-Accel-Buffering"] = "no"; // nginx would hold events back
        // A slow reader is welcome: it falls back to replay. Kestrel would cut it off.
        if (http.Features.Get<IHttpMinResponseDataRateFeature>() is { } rate) rate.MinDataRate = null;
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        try
        {
            await response.BodyWriter.WriteAsync("retry: 1000\n\n"u8.ToArray(), stop.Token);
            await response.BodyWriter.FlushAsync(stop.Token);
            var sink = new SseSink(response.BodyWriter, request.TenantStream);
            await new EventPump(feed, sink, request.Filter, options, clock, log).RunAsync(request.After, request.Until, stop.Token);
        }
        catch (OperationCanceledException) { /* the reader left, or the server stops: it comes back with Last-Event-ID */ }
    }

    public async Task WebSocketAsync(HttpContext http, EventFeed feed, StreamRequest request, Func<WebSocket, IEventSink>? sink = null)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        using var listen = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var listening = DrainAsync(socket, stop, listen.Token);
        var ended = false;
        try
        {
            await new EventPump(feed, sink?.Invoke(socket) ?? new WebSocketSink(socket), request.Filter, options, clock, log)
                .RunAsync(request.After, request.Until, stop.Token);
            ended = !stop.IsCancellationRequested;
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException) { /* the reader left */ }
        if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            var (status, text) = ended ? (WebSocketCloseStatus.NormalClosure, "end of replay") : (WebSocketCloseStatus.EndpointUnavailable, "going away");
            using var limit = new CancellationTokenSource(ended ? CloseLimit : LeaveLimit, clock);
            try
            {
                await socket.CloseOutputAsync(status, text, limit.Token);
                // Ending the connection before the client's own close would throw away what it has not read yet.
                await listening.WaitAsync(limit.Token);
            }
            catch (Exception exception) when (exception is OperationCanceledException or WebSocketException) { /* it is gone already */ }
        }
        await listen.CancelAsync();
        await listening;
    }

    // Nothing is expected from the client but its close, and only reading shows it.
    private static async Task DrainAsync(WebSocket socket, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        var buffer = new byte[512];
        try
        {
            while ((await socket.ReceiveAsync(buffer, cancellationToken)).MessageType != WebSocketMessageType.Close) { }
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException) { /* gone without a word */ }
        await stop.CancelAsync();
    }
}
