using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Marionette.Cli.Tests.Support;

/// <summary>Writes a session's log as server-sent events.</summary>
internal static class EventStream
{
    public static string Event(long seq, string type, object? data = null, string? task = "task_1") => JsonSerializer.Serialize(new
    {
        seq,
        type,
        time = "2026-11-23T10:15:30.123Z",
        session_id = "sess_1",
        task_id = task,
        run_id = "trun_1",
        data = data ?? new { },
    });

    /// <summary>Numbers events from 1.</summary>
    public static string[] Log(params (string Type, object? Data)[] events) =>
        [.. events.Select((each, index) => Event(index + 1, each.Type, each.Data))];

    /// <summary>Sends the given events and keeps the connection open until the client goes.</summary>
    public static Func<HttpContext, Task> Live(params string[] events) => async context =>
    {
        await SendAsync(context, events);
        try
        {
            // An open stream that says nothing more, until the client leaves.
            await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
        }
    };

    /// <summary>Sends what is after the asked-for event, then keeps the connection open.</summary>
    public static Func<HttpContext, Task> Replay(params string[] events) => context =>
    {
        var after = long.Parse(context.Request.Query["after"]!);
        return Live([.. events.Where(each => JsonDocument.Parse(each).RootElement.GetProperty("seq").GetInt64() > after)])(context);
    };

    /// <summary>Sends the given events, then ends the answer in order.</summary>
    public static Func<HttpContext, Task> End(params string[] events) => context => SendAsync(context, events);

    /// <summary>Opens the stream and sends events.</summary>
    public static async Task SendAsync(HttpContext context, params string[] events)
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync(": hello\n\n");
        await SendMoreAsync(context, events);
    }

    public static async Task SendMoreAsync(HttpContext context, params string[] events)
    {
        foreach (var each in events)
        {
            var element = JsonDocument.Parse(each).RootElement;
            await context.Response.WriteAsync($"id: {element.GetProperty("seq")}\nevent: {element.GetProperty("type").GetString()}\ndata: {each}\n\n");
        }
        await context.Response.Body.FlushAsync();
    }
}
