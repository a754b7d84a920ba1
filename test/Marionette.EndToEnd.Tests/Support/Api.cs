using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Support;

/// <summary>The REST API as a client that knows only its documentation would call it.</summary>
internal sealed class Api(string url, string key)
{
    public HttpClient Http { get; } = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(1) })
    {
        BaseAddress = new Uri(url), Timeout = Timeout.InfiniteTimeSpan, DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", key) },
    };

    /// <summary>The same key at another address, as after a restart of the server.</summary>
    public Api At(string otherUrl) => new(otherUrl, key);

    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await Http.GetAsync(path);
        return await ReadAsync(response, path);
    }

    public async Task<JsonElement> PostAsync(string path, object body, string? idempotencyKey = null)
    {
        using var response = await SendAsync(HttpMethod.Post, path, body, idempotencyKey);
        return await ReadAsync(response, path);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body = null, string? idempotencyKey = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        return await Http.SendAsync(request);
    }

    public async Task<JsonElement> UploadAsync(string path, byte[] content)
    {
        using var body = new ByteArrayContent(content);
        body.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var response = await Http.PostAsync(path, body);
        return await ReadAsync(response, path);
    }

    /// <summary>The status of a POST that may be refused.</summary>
    public async Task<HttpStatusCode> StatusAsync(string path, object body)
    {
        using var response = await SendAsync(HttpMethod.Post, path, body);
        return response.StatusCode;
    }

    public async Task<string> CreateSessionAsync(object body) => (await PostAsync("/api/v1/sessions", body)).GetProperty("id").GetString()!;

    public async Task<string> SubmitAsync(string session, string prompt, object? more = null)
    {
        var body = new Dictionary<string, object> { ["session_id"] = session, ["prompt"] = prompt };
        foreach (var property in more?.GetType().GetProperties() ?? []) body[property.Name] = property.GetValue(more)!;
        return (await PostAsync("/api/v1/tasks", body)).GetProperty("id").GetString()!;
    }

    public async Task<JsonElement> TaskEndedAsync(string task, TimeSpan? patience = null)
    {
        JsonElement view = default;
        await Wait.ForAsync(
            async () =>
            {
                try
                {
                    view = await GetAsync($"/api/v1/tasks/{task}");
                }
                catch (HttpRequestException)
                {
                    return false; // The server is away: that is some tests' point.
                }

                return view.GetProperty("status").GetString() is "completed" or "failed" or "canceled" or "timed_out";
            },
            $"the end of {task}", () => view.ToString(), patience);
        return view;
    }

    public async Task<JsonElement> SessionInAsync(string session, string status)
    {
        JsonElement view = default;
        await Wait.ForAsync(
            async () =>
            {
                view = await GetAsync($"/api/v1/sessions/{session}");
                return view.GetProperty("status").GetString() == status;
            },
            $"{session} to be {status}", () => view.ToString());
        return view;
    }

    /// <summary>The open request of a session, once there is one.</summary>
    public async Task<JsonElement> PermissionAsync(string session)
    {
        JsonElement items = default;
        await Wait.ForAsync(
            async () =>
            {
                items = (await GetAsync($"/api/v1/permissions?session_id={session}&status=pending")).GetProperty("items");
                return items.GetArrayLength() > 0;
            },
            $"a permission request of {session}");
        return items[0];
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, string path)
    {
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new HttpRequestException($"{path}: {(int)response.StatusCode} {text}", null, response.StatusCode);
        return response.StatusCode == HttpStatusCode.NoContent || text.Length == 0 ? default : JsonDocument.Parse(text).RootElement.Clone();
    }
}
