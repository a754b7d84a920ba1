using System.Collections.Concurrent;
using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>
/// A client of a session's events as the documentation describes one: it reads the stream, and whenever it breaks it comes back with
/// <c>Last-Event-ID</c>. What it has seen must be 1, 2, 3, … whatever happened to the server.
/// </summary>
internal sealed class EventReader : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly Func<Api> _api;
    private readonly string _session;
    private readonly TimeSpan _pause;

    public EventReader(Func<Api> api, string session, TimeSpan pause = default)
    {
        (_api, _session, _pause) = (api, session, pause);
        _loop = Task.Run(ReadAsync);
    }

    /// <summary>Every event, as it came.</summary>
    public ConcurrentQueue<JsonElement> Events { get; } = [];

    public long Last { get; private set; }

    public int Connections { get; private set; }

    public IEnumerable<string> Types => Events.Select(e => e.GetProperty("type").GetString()!);

    public Task SeenAsync(string type, int times = 1, TimeSpan? patience = null) =>
        Wait.ForAsync(
            () => _loop.IsFaulted ? throw _loop.Exception! : Types.Count(t => t == type) >= times, $"{times} × {type}", () => string.Join(' ', Types), patience);

    /// <summary>No gap, no duplicate, in order.</summary>
    public void AssertGapless() =>
        Assert.Equal(Enumerable.Range(1, Events.Count).Select(n => (long)n), Events.Select(e => e.GetProperty("seq").GetInt64()));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task ReadAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await ReadOnceAsync();
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                if (!_stop.IsCancellationRequested) await Task.Delay(50); // The server is away; it comes back.
            }
        }
    }

    private async Task ReadOnceAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sessions/{_session}/events");
        request.Headers.Accept.ParseAdd("text/event-stream");
        if (Last > 0) request.Headers.Add("Last-Event-ID", Last.ToString());
        using var response = await _api().Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _stop.Token);
        response.EnsureSuccessStatusCode();
        Connections++;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(_stop.Token));
        string? data = null;
        while (await reader.ReadLineAsync(_stop.Token) is { } line)
        {
            // An event counts once its empty line came: the rest of a broken connection may be half of one.
            if (line.StartsWith("data:", StringComparison.Ordinal)) data = line[5..];
            if (line.Length > 0 || data is null) continue;
            var e = JsonDocument.Parse(data).RootElement.Clone();
            data = null;
            Events.Enqueue(e);
            Last = e.GetProperty("seq").GetInt64();
            // A slow reader, where a test asks for one.
            if (_pause > TimeSpan.Zero) await Task.Delay(_pause, _stop.Token);
        }
    }
}
