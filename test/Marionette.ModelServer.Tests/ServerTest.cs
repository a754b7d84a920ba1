using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Marionette.ModelServer.Tests;

/// <summary>A real server on a free port, a client, and a deadline for the whole test.</summary>
public abstract class ServerTest : IAsyncLifetime
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(30));

    private RunningModelServer? _server;

    protected RunningModelServer Server => _server!;

    protected HttpClient Client { get; } = new();

    protected CancellationToken Deadline => _deadline.Token;

    protected virtual ModelServerOptions Options => new();

    public async ValueTask InitializeAsync()
    {
        _server = await ScriptedModelServer.StartAsync(Options, Deadline);
        Client.BaseAddress = Server.Url;
        Client.DefaultRequestHeaders.Add("x-api-key", "sk-test");
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        _deadline.Dispose();
        GC.SuppressFinalize(this);
    }

    protected async Task<HttpResponseMessage> PostAsync(JsonObject body, string? session = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages?beta=true")
        {
            Content = Requests.Content(body),
        };
        if (session is not null) request.Headers.Add("x-claude-code-session-id", session);
        return await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Deadline);
    }

    protected async Task<List<JsonObject>> StreamAsync(params JsonObject[] messages)
    {
        using var response = await PostAsync(Requests.Body(true, messages));
        response.EnsureSuccessStatusCode();
        Assert.Equal(new MediaTypeHeaderValue("text/event-stream", "utf-8"), response.Content.Headers.ContentType);
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        return await reader.ReadAllAsync(Deadline);
    }

    protected async Task<JsonObject> JsonAsync(HttpResponseMessage response) =>
        JsonNode.Parse(await response.Content.ReadAsStringAsync(Deadline))!.AsObject();

    protected async Task AssertErrorAsync(HttpResponseMessage response, int status, string type)
    {
        Assert.Equal(status, (int)response.StatusCode);
        var requestId = Assert.Single(response.Headers.GetValues("request-id"));
        var body = await JsonAsync(response);
        Assert.Equal("error", (string?)body["type"]);
        Assert.Equal(type, (string?)body["error"]!["type"]);
        Assert.NotEmpty((string)body["error"]!["message"]!);
        Assert.Equal(requestId, (string?)body["request_id"]);
    }
}
