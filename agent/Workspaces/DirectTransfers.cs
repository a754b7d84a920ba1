using System.Net;
using System.Net.Http.Headers;
using Marionette.Agent.Hosting;
using Microsoft.Extensions.Logging;
using Wire = Marionette.Protocol.Workspaces.V1;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Requests straight to the chunk store, signed by a gateway. A network that does not reach the store, or a store that refuses, closes this way for
/// <see cref="ClosedFor"/>: what it was to carry goes through the gateway instead, and so does all else until then.
/// </summary>
internal sealed class DirectTransfers : IDisposable
{
    /// <summary>A policy that changes, or a store that comes back, is noticed so late.</summary>
    public static readonly TimeSpan ClosedFor = TimeSpan.FromMinutes(10);

    private const int Attempts = 3;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(300), PutLimit = TimeSpan.FromMinutes(5), ReadLimit = TimeSpan.FromSeconds(60);

    private readonly HttpClient http;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private long closedUntil;

    public DirectTransfers(TimeProvider clock, ILogger log)
    {
        (this.clock, this.log) = (clock, log);
        http = new HttpClient(new SocketsHttpHandler
        {
            // A packet filter that drops is found out once in a while, not at each pack.
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            UseProxy = false,
            AllowAutoRedirect = false,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            // A block, or a refusal in words.
            MaxResponseContentBufferSize = 64 << 20,
        };
    }

    /// <summary>Whether it is worth asking for a signed request.</summary>
    public bool IsOpen => clock.GetUtcNow().UtcTicks >= Interlocked.Read(ref closedUntil);

    /// <summary>No request is asked for until <see cref="ClosedFor"/> has passed.</summary>
    /// <param name="reason">Null: there is no such way here, which is nothing to tell.</param>
    public void Close(string? reason)
    {
        var wasOpen = IsOpen;
        Interlocked.Exchange(ref closedUntil, (clock.GetUtcNow() + ClosedFor).UtcTicks);
        if (reason is not null && wasOpen)
            log.DirectClosed(reason, (int)ClosedFor.TotalMinutes);
    }

    /// <summary>Sends a pack.</summary>
    /// <param name="content">Read from its begin.</param>
    /// <returns>False: it is not stored, and goes the other way.</returns>
    public async Task<bool> PutAsync(Wire.SignedCall call, Stream content, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(call, HttpMethod.Put, null, content, PutLimit, cancellationToken).ConfigureAwait(false);
        // Precondition failed: there is one of this name, which is the hash of its bytes.
        return answer?.StatusCode is HttpStatusCode.OK or HttpStatusCode.PreconditionFailed;
    }

    /// <summary>Reads a part of a pack.</summary>
    /// <returns>As much as there is from the offset, at most a block; null: it is to be read the other way.</returns>
    public async Task<byte[]?> ReadAsync(Wire.SignedCall call, long offset, int length, CancellationToken cancellationToken)
    {
        var range = new RangeHeaderValue(offset, offset + length - 1);
        using var answer = await SendAsync(call, HttpMethod.Get, range, null, ReadLimit, cancellationToken).ConfigureAwait(false);
        if (answer is null)
            return null;
        if (answer.IsSuccessStatusCode && answer.StatusCode != HttpStatusCode.PartialContent)
            Close("the store does not read parts of objects");
        if (answer.StatusCode != HttpStatusCode.PartialContent || answer.Content.Headers.ContentRange is not { From: { } from, Length: { } total } || from != offset)
            return null;
        // Less than what is there would be taken for the pack's end.
        var bytes = await answer.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        return bytes.Length == Math.Min(length, total - offset) ? bytes : null;
    }

    public void Dispose() => http.Dispose();

    /// <summary>The answer, with all of its bytes; null when there is none that helps.</summary>
    private async Task<HttpResponseMessage?> SendAsync(
        Wire.SignedCall call, HttpMethod method, RangeHeaderValue? range, Stream? content, TimeSpan within, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var limit = new CancellationTokenSource(within, clock);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            using var request = Make(call, method, range, content);
            try
            {
                var answer = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, both.Token).ConfigureAwait(false);
                if (answer.IsSuccessStatusCode || IsAnAnswer(answer.StatusCode))
                    return answer;
                var status = answer.StatusCode;
                answer.Dispose();
                if (status < HttpStatusCode.InternalServerError && !PassesSoon(status))
                {
                    // The body may repeat the request, signature and all.
                    Close($"{(int)status} to {request.Method}");
                    return null;
                }

                // A store that is busy is not one that is out of reach.
                if (attempt == Attempts)
                    return null;
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // Nobody answers, or a filter drops: trying again would only cost the runner its time. A line that broke gets another try.
                if (exception is not (IOException or HttpRequestException { InnerException: IOException }) || attempt == Attempts)
                {
                    Close(exception is HttpRequestException failure ? failure.HttpRequestError.ToString() : "no answer in time");
                    return null;
                }
            }

            await Task.Delay(FirstPause * (1 << (attempt - 1)), clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The store is busy, the line was slow, or another put of the same name is under way.</summary>
    private static bool PassesSoon(HttpStatusCode status) => status is HttpStatusCode.RequestTimeout or HttpStatusCode.Conflict or HttpStatusCode.TooManyRequests;

    /// <summary>Precondition failed: it is there already. Not found, and a range beyond the end: the gateway's word on that is the one that counts.</summary>
    private static bool IsAnAnswer(HttpStatusCode status) =>
        status is HttpStatusCode.PreconditionFailed or HttpStatusCode.NotFound or HttpStatusCode.RequestedRangeNotSatisfiable;

    private static HttpRequestMessage Make(Wire.SignedCall call, HttpMethod method, RangeHeaderValue? range, Stream? content)
    {
        var request = new HttpRequestMessage(method, call.Url);
        request.Headers.Range = range;
        if (content is not null)
            request.Content = new PackContent(content);

        foreach (var header in call.Headers)
            if (!request.Headers.TryAddWithoutValidation(header.Name, header.Value))
                request.Content?.Headers.TryAddWithoutValidation(header.Name, header.Value);
        return request;
    }
}
