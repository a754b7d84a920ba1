using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Docker.DotNet;

namespace Marionette.Providers.Docker;

/// <summary>Calls of the engine: each with its limit, each failure as a <see cref="ProviderException"/> that says what was tried.</summary>
internal sealed class Engine(Uri host, TimeSpan limit, TimeProvider clock) : IDisposable
{
    /// <summary>When it was away.</summary>
    public EngineGaps Gaps { get; } = new(clock);

    /// <summary>The engine's own client. Its limits are off: ours hold.</summary>
    public DockerClient Client { get; } = new DockerClientConfiguration(host, defaultTimeout: Timeout.InfiniteTimeSpan).CreateClient();

    /// <summary>Asks for something.</summary>
    /// <returns>Null when the engine has no such thing.</returns>
    public async Task<T?> FindAsync<T>(string what, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken) where T : class
    {
        T? found = null;
        await DoAsync(what, async token => found = await call(token), cancellationToken, HttpStatusCode.NotFound);
        return found;
    }

    /// <summary>Asks for something that is always there.</summary>
    public async Task<T> GetAsync<T>(string what, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        T result = default!;
        await DoAsync(what, async token => result = await call(token), cancellationToken);
        return result;
    }

    /// <summary>Calls, and takes some refusals for an answer.</summary>
    /// <param name="what">What is tried, for people: "start the container".</param>
    /// <returns>OK, or the refusal among <paramref name="accepted"/>.</returns>
    /// <exception cref="ProviderException">Anything else.</exception>
    public async Task<HttpStatusCode> DoAsync(
        string what, Func<CancellationToken, Task> call, CancellationToken cancellationToken, params HttpStatusCode[] accepted)
    {
        using var deadline = new CancellationTokenSource(limit, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await call(both.Token);
            Gaps.Up();
            return HttpStatusCode.OK;
        }
        catch (DockerApiException e)
        {
            Gaps.Up();
            return accepted.Contains(e.StatusCode) ? e.StatusCode : throw Translate(what, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ProviderException(ProviderFault.Ambiguous, $"The engine did not answer within {limit.TotalSeconds:0} s when asked to {what}.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or TimeoutException)
        {
            Gaps.Down();
            throw Unreached(what, e);
        }
    }

    /// <summary>What a refusal of the engine means.</summary>
    public static ProviderException Translate(string what, DockerApiException e)
    {
        var said = Said(e);
        var text = $"The engine could not {what}: {said}";
        if (Mentions(said, "no space left on device") || Mentions(said, "disk quota exceeded"))
            return new ProviderException(ProviderFault.Capacity, text, e);
        if (Mentions(said, "cannot allocate memory") || Mentions(said, "resource temporarily unavailable"))
            return new ProviderException(ProviderFault.Capacity, text, e);
        if (e.StatusCode == HttpStatusCode.TooManyRequests || Mentions(said, "toomanyrequests"))
            return new ProviderException(ProviderFault.Throttled, text, e);
        var fault = (int)e.StatusCode >= 500 ? ProviderFault.Unavailable : ProviderFault.Rejected;
        return new ProviderException(fault, text, e);
    }

    /// <summary>A connection that was never there is away; one that broke may have carried the call.</summary>
    public static ProviderException Unreached(string what, Exception e)
    {
        var refused = e is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError }
            || Chain(e).OfType<SocketException>().Any(s => s.SocketErrorCode is not SocketError.ConnectionReset);
        return refused
            ? new ProviderException(ProviderFault.Unavailable, $"The engine cannot be reached to {what}: {e.InnerException?.Message ?? e.Message}", e)
            : new ProviderException(ProviderFault.Ambiguous, $"The connection to the engine broke while it was asked to {what}: {e.Message}", e);
    }

    public void Dispose() => Client.Dispose();

    private static IEnumerable<Exception> Chain(Exception e)
    {
        for (Exception? next = e; next is not null; next = next.InnerException) yield return next;
    }

    private static bool Mentions(string text, string words) => text.Contains(words, StringComparison.OrdinalIgnoreCase);

    /// <summary>The engine's own sentence, without the JSON around it.</summary>
    private static string Said(DockerApiException e)
    {
        try
        {
            using var body = JsonDocument.Parse(e.ResponseBody ?? "");
            if (body.RootElement.TryGetProperty("message", out var message)) return message.GetString()!.Trim();
        }
        catch (JsonException)
        {
            // Something between us and the engine answered in its own words.
        }

        return string.IsNullOrWhiteSpace(e.ResponseBody) ? $"HTTP {(int)e.StatusCode}" : e.ResponseBody.Trim();
    }
}
