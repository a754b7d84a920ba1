using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Marionette.Cli.Tests.Support;

/// <summary>One request as it arrived.</summary>
internal sealed record Seen(string Method, string Target, string Body, IReadOnlyDictionary<string, string> Headers)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;
}

/// <summary>A real HTTP server on loopback whose answers a test scripts, path by path.</summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, Func<HttpContext, Task>> routes = new();
    private readonly ConcurrentQueue<Seen> seen = new();

    private FakeServer(WebApplication app) => this.app = app;

    public string Url { get; private set; } = "";

    public IReadOnlyList<Seen> Requests => [.. seen];

    public static async Task<FakeServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new FakeServer(builder.Build());
        server.app.Run(server.AnswerAsync);
        await server.app.StartAsync();
        server.Url = server.app.Urls.Single();
        return server;
    }

    /// <summary>Answers METHOD /path with code that may do anything.</summary>
    public FakeServer On(string route, Func<HttpContext, Task> answer)
    {
        routes[route] = answer;
        return this;
    }

    /// <summary>Answers METHOD /path with JSON.</summary>
    public FakeServer On(string route, string json, int status = 200) => On(route, context => WriteAsync(context, json, status));

    /// <summary>Answers METHOD /path with a problem document.</summary>
    public FakeServer OnProblem(string route, int status, string code, string detail) => On(route, context => ProblemAsync(context, status, code, detail));

    /// <summary>The answers one after another; the last one stays.</summary>
    public FakeServer OnEach(string route, params Func<HttpContext, Task>[] answers)
    {
        var next = -1;
        return On(route, context => answers[Math.Min(Interlocked.Increment(ref next), answers.Length - 1)](context));
    }

    public IEnumerable<Seen> To(string route) => seen.Where(request => $"{request.Method} {request.Target.Split('?')[0]}" == route);

    public static Task ProblemAsync(HttpContext context, int status, string code, string detail) =>
        WriteAsync(context, JsonSerializer.Serialize(new { type = "/problems/x", title = "T", status, detail, code, message = detail }), status, "application/problem+json");

    public static async Task WriteAsync(HttpContext context, string json, int status = 200, string type = "application/json")
    {
        context.Response.StatusCode = status;
        if (status == 204)
            return;
        context.Response.ContentType = type;
        await context.Response.WriteAsync(json);
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync(new CancellationToken(canceled: true));
        await app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var target = context.Request.Path + context.Request.QueryString;
        var headers = context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        seen.Enqueue(new Seen(context.Request.Method, target, body, headers));
        if (routes.TryGetValue($"{context.Request.Method} {context.Request.Path}", out var answer))
            await answer(context);
        else
            await ProblemAsync(context, 404, "not_found", $"no route {context.Request.Method} {context.Request.Path}");
    }
}
