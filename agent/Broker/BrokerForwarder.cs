using System.Net;
using System.Text;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Broker;

/// <summary>The model server could not be asked.</summary>
internal sealed class UpstreamException(string message) : Exception(message);

/// <summary>Asks the session's model server with the real key, and streams the answer back as it comes.</summary>
internal sealed class BrokerForwarder : IDisposable
{
    private const string DefaultUpstream = "https://api.anthropic.com";

    // Fields that belong to one connection, not to the message.
    private static readonly HashSet<string> HopByHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "Host", "Content-Length", "Expect",
    };

    private readonly SetupHolder setup;
    private readonly string upstream;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly HttpMessageInvoker direct = new(Handler(useProxy: false));
    private readonly Lazy<HttpMessageInvoker> proxied = new(() => new HttpMessageInvoker(Handler(useProxy: true)));
    private long lastActivity;
    private int refusals;

    public BrokerForwarder(SetupHolder setup, TimeProvider clock, ILogger log, string? upstream)
    {
        this.upstream = upstream ?? DefaultUpstream;
        this.setup = setup;
        this.clock = clock;
        this.log = log;
        lastActivity = clock.GetTimestamp();
    }

    /// <summary>Monotonic time of the model's last byte.</summary>
    public long LastActivity => Interlocked.Read(ref lastActivity);

    /// <summary>Answers in a row with which the model refused the key.</summary>
    public int Refusals => Volatile.Read(ref refusals);

    /// <summary>When the model takes requests again, as its newest answer says; null when it says nothing.</summary>
    public DateTimeOffset? RetryAt { get; private set; }

    /// <summary>Counts refusals anew: another run, perhaps another key.</summary>
    public void ForgetRefusals() => Volatile.Write(ref refusals, 0);

    /// <summary>Sends the request on and the answer back.</summary>
    /// <param name="head">The client's request, whose credential is the placeholder.</param>
    /// <param name="content">Its body.</param>
    /// <param name="client">Where the answer goes.</param>
    /// <param name="life">Cancelled here when the client goes away: the model need not go on.</param>
    /// <returns>Whether the connection may carry another request.</returns>
    /// <exception cref="UpstreamException">The model server could not be reached; nothing was sent to the client.</exception>
    public async Task<bool> ForwardAsync(
        RequestHead head, RequestContent content, ClientStream client, CancellationTokenSource life)
    {
        var current = setup.Current;
        using var request = CreateRequest(head, content, current.BaseUrl.Length > 0 ? current.BaseUrl : upstream, current.ApiKey);
        var watch = WatchClientAsync(content, client, life);
        try
        {
            using var response = await SendAsync(request, life).ConfigureAwait(false);
            Heard();
            RetryAt = Patience(response) is { } wait ? clock.GetUtcNow() + wait : null;
            if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
                Interlocked.Increment(ref refusals);
            else
                ForgetRefusals();
            log.BrokerForwarded(head.Method, head.Target.Split('?')[0], (int)response.StatusCode);
            return await AnswerAsync(head, response, content, client, life.Token).ConfigureAwait(false);
        }
        finally
        {
            await life.CancelAsync().ConfigureAwait(false);
            await watch.ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        direct.Dispose();
        if (proxied.IsValueCreated)
            proxied.Value.Dispose();
    }

    private static SocketsHttpHandler Handler(bool useProxy) => new()
    {
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        UseProxy = useProxy,
        ConnectTimeout = TimeSpan.FromSeconds(15),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        // Trace headers of ours are nobody's business at the model's.
        ActivityHeadersPropagator = null,
    };

    private static HttpRequestMessage CreateRequest(RequestHead head, RequestContent content, string baseUrl, string key)
    {
        if (!Uri.TryCreate(baseUrl.TrimEnd('/') + head.Target, UriKind.Absolute, out var uri))
            throw new UpstreamException("The session's base_url is not a URL.");
        var request = new HttpRequestMessage(new HttpMethod(head.Method), uri)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (head.BodyLength is not 0)
            request.Content = content;
        var connection = (head["Connection"] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (var (name, value) in head.Fields)
        {
            if (HopByHop.Contains(name) || connection.Contains(name, StringComparer.OrdinalIgnoreCase))
                continue;
            // Whatever credential a client brings is the placeholder or none of the session's: ours stands in its place.
            var sent = name.Equals("x-api-key", StringComparison.OrdinalIgnoreCase) || name.Equals("x-goog-api-key", StringComparison.OrdinalIgnoreCase) ? key
                : name.Equals("Authorization", StringComparison.OrdinalIgnoreCase) ? "Bearer " + key
                : value;
            if (!request.Headers.TryAddWithoutValidation(name, sent))
                request.Content?.Headers.TryAddWithoutValidation(name, sent);
        }

        return request;
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationTokenSource life)
    {
        var invoker = request.RequestUri!.IsLoopback ? direct : proxied.Value;
        try
        {
            return await invoker.SendAsync(request, life.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException exception) when (!life.IsCancellationRequested)
        {
            throw new UpstreamException($"The model server {request.RequestUri.Authority} cannot be reached: {exception.Message}");
        }
    }

    // HttpClient reads the body from the same socket: only after that may it be watched for the client's end.
    private static async Task WatchClientAsync(RequestContent content, ClientStream client, CancellationTokenSource life)
    {
        try
        {
            await content.Complete.WaitAsync(life.Token).ConfigureAwait(false);
            await client.WhenClosedAsync(life.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // Reset by the client: the same as closed.
        }

        await life.CancelAsync().ConfigureAwait(false);
    }

    private async Task<bool> AnswerAsync(
        RequestHead head, HttpResponseMessage response, RequestContent content, ClientStream client, CancellationToken cancellationToken)
    {
        var hasBody = head.Method != "HEAD" && (int)response.StatusCode is not (204 or 304);
        var length = response.Content.Headers.ContentLength;
        // A body that was not read to its end stands between this answer and the next request.
        var keep = head.KeepAlive && content.Complete.IsCompletedSuccessfully;
        var start = new StringBuilder()
            .Append("HTTP/1.1 ").Append((int)response.StatusCode).Append(' ').Append(response.ReasonPhrase).Append("\r\n");
        foreach (var (name, values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
        {
            if (HopByHop.Contains(name))
                continue;
            foreach (var value in values)
                start.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        if (length is { } known)
            start.Append("Content-Length: ").Append(known).Append("\r\n");
        else if (hasBody)
            start.Append("Transfer-Encoding: chunked\r\n");
        start.Append(keep ? "\r\n" : "Connection: close\r\n\r\n");
        await client.WriteAsync(Encoding.Latin1.GetBytes(start.ToString()), cancellationToken).ConfigureAwait(false);
        if (hasBody)
            await BrokerBody.CopyAsync(response, client, chunked: length is null, Heard, cancellationToken).ConfigureAwait(false);
        return keep;
    }

    private TimeSpan? Patience(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - clock.GetUtcNow(),
        _ => null,
    };

    private void Heard() => Interlocked.Exchange(ref lastActivity, clock.GetTimestamp());
}
