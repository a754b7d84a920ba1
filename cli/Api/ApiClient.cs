using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Api;

/// <summary>
/// The REST API. Requests that could not be delivered, or that the server could not take at that moment, are repeated a few times:
/// each POST carries an idempotency key, so that a repeat is never a second task.
/// </summary>
internal sealed class ApiClient : IDisposable
{
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(800), TimeSpan.FromSeconds(2)];
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    private readonly HttpClient http;
    private readonly TimeProvider clock;

    public ApiClient(Endpoint endpoint, TimeProvider clock, HttpMessageHandler? transport = null)
    {
        Endpoint = endpoint;
        this.clock = clock;
        // No proxy variables for loopback: a proxy could not reach it.
        http = new HttpClient(transport ?? new SocketsHttpHandler { UseProxy = !endpoint.Server.IsLoopback, ConnectTimeout = TimeSpan.FromSeconds(10) }, disposeHandler: transport is null)
        {
            BaseAddress = endpoint.Server,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("marionette-cli", ThisProgram.Version));
        if (endpoint.ApiKey is { } key)
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    public Endpoint Endpoint { get; }

    public async Task<JsonElement> GetAsync(string path, CancellationToken cancellationToken) =>
        await SendAsync(HttpMethod.Get, path, null, null, cancellationToken).ConfigureAwait(false) ?? throw Empty(path);

    /// <summary>Posts, and gives the answer's body; null for an answer without one.</summary>
    /// <param name="idempotencyKey">The caller's own key; null makes one for this call.</param>
    public Task<JsonElement?> PostAsync(string path, JsonObject? body, CancellationToken cancellationToken, string? idempotencyKey = null) =>
        SendAsync(HttpMethod.Post, path, body, idempotencyKey ?? Guid.NewGuid().ToString("N"), cancellationToken);

    /// <summary>Posts something whose answer is an object.</summary>
    public async Task<JsonElement> CreateAsync(string path, JsonObject body, string? idempotencyKey, CancellationToken cancellationToken) =>
        await PostAsync(path, body, cancellationToken, idempotencyKey).ConfigureAwait(false) ?? throw Empty(path);

    /// <summary>Posts without a body, and waits for as long as the answer takes: for work that is done when it is answered. It is not repeated.</summary>
    public async Task<JsonElement> RunAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await SendOnceAsync(HttpMethod.Post, path, null, null, cancellationToken, isPatient: true).ConfigureAwait(false) ?? throw Empty(path);
        }
        catch (HttpRequestException error)
        {
            throw Unreachable(Endpoint, error);
        }
    }

    /// <summary>Posts a stream of any size, once.</summary>
    public async Task<JsonElement> UploadAsync(string path, Stream content, CancellationToken cancellationToken)
    {
        try
        {
            using var body = new StreamContent(content);
            body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            using var response = await http.PostAsync(path, body, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                throw await ApiException.FromAsync(response, cancellationToken).ConfigureAwait(false);
            return JsonRead.Parse(await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (HttpRequestException error)
        {
            throw Unreachable(Endpoint, error);
        }
    }

    /// <summary>Replaces something; a repeat changes nothing more.</summary>
    public async Task<JsonElement> PutAsync(string path, JsonObject body, CancellationToken cancellationToken) =>
        await SendAsync(HttpMethod.Put, path, body, null, cancellationToken).ConfigureAwait(false) ?? throw Empty(path);

    /// <summary>Changes the given members of something.</summary>
    public async Task<JsonElement> PatchAsync(string path, JsonObject body, CancellationToken cancellationToken) =>
        await SendAsync(HttpMethod.Patch, path, body, null, cancellationToken).ConfigureAwait(false) ?? throw Empty(path);

    public Task DeleteAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Delete, path, null, null, cancellationToken);

    /// <summary>Opens a server-sent event stream. The caller owns the response.</summary>
    /// <exception cref="ApiException">The server refused.</exception>
    /// <exception cref="HttpRequestException">It could not be reached.</exception>
    public async Task<HttpResponseMessage> OpenStreamAsync(string path, long? after, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (after is { } seq)
            request.Headers.Add("Last-Event-ID", seq.ToString(System.Globalization.CultureInfo.InvariantCulture));
        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await ApiException.FromAsync(response, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Copies an answer of any size.</summary>
    public async Task DownloadAsync(string path, Stream target, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                throw await ApiException.FromAsync(response, cancellationToken).ConfigureAwait(false);
            await response.Content.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
        }
        catch (HttpRequestException error)
        {
            throw Unreachable(Endpoint, error);
        }
    }

    /// <summary>Asks for something whose answer does not matter, only that it is a good one.</summary>
    public async Task ProbeAsync(string path, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5), clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var response = await http.GetAsync(path, both.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                throw await ApiException.FromAsync(response, both.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException error)
        {
            throw Unreachable(Endpoint, error);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CliException($"{Endpoint.Server} did not answer within 5 s", "Its log says why.");
        }
    }

    public void Dispose() => http.Dispose();

    private async Task<JsonElement?> SendAsync(HttpMethod method, string path, JsonObject? body, string? idempotencyKey, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await SendOnceAsync(method, path, body, idempotencyKey, cancellationToken).ConfigureAwait(false);
            }
            catch (HttpRequestException error)
            {
                // Refused at the first try means that nothing listens there: say so at once instead of after three pauses.
                if (attempt == Pauses.Length || (attempt == 0 && error.HttpRequestError == HttpRequestError.ConnectionError))
                    throw Unreachable(Endpoint, error);
            }
            catch (ApiException error) when (error.IsTransient && attempt < Pauses.Length)
            {
            }
            await Task.Delay(Pauses[attempt], clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<JsonElement?> SendOnceAsync(
        HttpMethod method, string path, JsonObject? body, string? idempotencyKey, CancellationToken cancellationToken, bool isPatient = false)
    {
        using var limit = isPatient ? new CancellationTokenSource() : new CancellationTokenSource(AnswerLimit, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(method, path);
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            if (idempotencyKey is not null)
                request.Headers.Add("Idempotency-Key", idempotencyKey);
            if (body is not null)
                request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            using var response = await http.SendAsync(request, both.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                throw await ApiException.FromAsync(response, both.Token).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.NoContent)
                return null;
            var text = await response.Content.ReadAsStringAsync(both.Token).ConfigureAwait(false);
            return text.Length == 0 ? null : JsonRead.Parse(text);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new CliException($"{Endpoint.Server} did not answer within {AnswerLimit.TotalSeconds:0} s", "'marionette doctor' shows what is wrong.");
        }
        catch (JsonException)
        {
            throw new CliException($"{Endpoint.Server} answered with something that is not JSON", $"Is it Marionette? The address is from {Endpoint.Origin}.");
        }
    }

    public static CliException Unreachable(Endpoint endpoint, Exception error)
    {
        var why = error is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError }
            ? "nothing answers there"
            : error.Message;
        return new CliException($"cannot reach {endpoint}: {why}", "'marionette up' starts a server; --server names another.");
    }

    private CliException Empty(string path) => new($"{Endpoint.Server} answered {path} without a body");
}
