using System.Net.Http.Headers;
using System.Text.Json;

namespace Marionette.Bench.Stack;

/// <summary>The REST API as any client sees it.</summary>
internal sealed class ApiClient(string url, string key) : IDisposable
{
    /// <summary>A checkpoint of a large workspace on a busy machine takes its time.</summary>
    private static readonly TimeSpan EventPatience = TimeSpan.FromMinutes(10);

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false })
    {
        BaseAddress = new Uri(url), Timeout = Timeout.InfiniteTimeSpan, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) },
    };

    public void Dispose() => Http.Dispose();

    public async Task<JsonElement> GetAsync(string path, CancellationToken cancellationToken = default)
    {
        using var response = await Http.GetAsync(path, cancellationToken);
        return await ReadAsync(response, path);
    }

    public async Task<JsonElement> PostAsync(string path, object? body, CancellationToken cancellationToken = default)
    {
        using var content = body is null ? null : JsonContent.Create(body);
        using var response = await Http.PostAsync(path, content, cancellationToken);
        return await ReadAsync(response, path);
    }

    /// <summary>A session of the command agent, without a runner yet.</summary>
    public async Task<string> CreateSessionAsync(params string[] command) =>
        (await PostAsync("/api/v1/sessions", new { agent = "command", command })).GetProperty("id").GetString()!;

    public async Task<string> SubmitAsync(string session, string prompt) =>
        (await PostAsync("/api/v1/tasks", new { session_id = session, prompt })).GetProperty("id").GetString()!;

    /// <summary>Waits until the session says so.</summary>
    public async Task<JsonElement> UntilAsync(string session, Func<JsonElement, bool> condition, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(2));
        while (true)
        {
            var view = await GetAsync($"/api/v1/sessions/{session}", limit.Token);
            if (condition(view)) return view;
            await Task.Delay(10, limit.Token);
        }
    }

    /// <summary>Waits for the first event of some types behind a place in the session's log.</summary>
    /// <param name="types">Names, separated by commas.</param>
    /// <param name="after">Seq of the place.</param>
    public async Task<JsonElement> EventAsync(string session, string types, long after, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(EventPatience);
        while (true)
        {
            var found = (await GetAsync($"/api/v1/sessions/{session}/events?after={after}&types={types}", limit.Token)).GetProperty("items");
            if (found.GetArrayLength() > 0) return found[0];
            await Task.Delay(10, limit.Token);
        }
    }

    /// <summary>Ends a session, whatever it does.</summary>
    public async Task TerminateAsync(string session, CancellationToken cancellationToken)
    {
        using var answer = await Http.DeleteAsync($"/api/v1/sessions/{session}", cancellationToken);
        answer.EnsureSuccessStatusCode();
        await UntilAsync(session, view => view.GetProperty("status").GetString() == "terminated", cancellationToken);
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, string path)
    {
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new HttpRequestException($"{path}: {(int)response.StatusCode} {text}", null, response.StatusCode);
        if (text.Length == 0) return default;
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
