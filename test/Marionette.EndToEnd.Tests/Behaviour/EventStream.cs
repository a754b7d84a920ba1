using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>One connection to a stream of server-sent events, read at the test's own pace.</summary>
internal sealed class EventStream : IDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _reader;

    private EventStream(HttpResponseMessage response, StreamReader reader) => (_response, _reader) = (response, reader);

    /// <summary>Comment lines so far: heartbeats.</summary>
    public int Comments { get; private set; }

    /// <summary>The last <c>id:</c> line.</summary>
    public string LastId { get; private set; } = "";

    public static async Task<EventStream> OpenAsync(Api api, string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.ParseAdd("text/event-stream");
        if (lastEventId is not null) request.Headers.Add("Last-Event-ID", lastEventId);
        var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return new EventStream(response, new StreamReader(await response.Content.ReadAsStreamAsync()));
    }

    /// <summary>The next event's JSON as it came; null at the end of the stream.</summary>
    public async Task<string?> NextAsync(CancellationToken cancellationToken = default)
    {
        while (await _reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith(':')) Comments++;
            else if (line.StartsWith("id:", StringComparison.Ordinal)) LastId = line[3..].Trim();
            else if (line.StartsWith("data:", StringComparison.Ordinal)) return line[5..].Trim();
        }

        return null;
    }

    /// <summary>Events up to the first of a type, that one included.</summary>
    public async IAsyncEnumerable<string> UntilAsync(Func<JsonElement, bool> last, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await NextAsync(cancellationToken) is { } json)
        {
            yield return json;
            if (last(Parse(json))) yield break;
        }

        throw new InvalidOperationException("The stream ended before the event that the test waits for.");
    }

    /// <summary>Reads to the next comment and beyond it to nothing: for silence that only a heartbeat breaks.</summary>
    public async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        while (await _reader.ReadLineAsync(cancellationToken) is { } line)
            if (line.StartsWith(':')) return;
        throw new InvalidOperationException("The stream ended without a heartbeat.");
    }

    public static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    public void Dispose()
    {
        _reader.Dispose();
        _response.Dispose();
    }
}
