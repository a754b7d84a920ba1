using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>What many tests do with a session, in the words of the API.</summary>
internal static class Conversation
{
    private static readonly string[] Outputs = ["text.delta", "thinking.delta"];

    /// <summary>A session of the real Claude Code on the scripted model.</summary>
    public static Task<string> ClaudeAsync(this Stack stack, object? more = null, Api? api = null)
    {
        var body = new Dictionary<string, object> { ["agent"] = "claude", ["api_key"] = "sk-any", ["base_url"] = stack.Model.Url.ToString() };
        foreach (var property in more?.GetType().GetProperties() ?? []) body[property.Name] = property.GetValue(more)!;
        return (api ?? stack.Api).CreateSessionAsync(body);
    }

    /// <summary>Runs a prompt to its end.</summary>
    public static async Task<JsonElement> RunAsync(this Api api, string session, string prompt, object? more = null) =>
        await api.TaskEndedAsync(await api.SubmitAsync(session, prompt, more));

    /// <summary>Runs a prompt in which every request is allowed.</summary>
    public static async Task<JsonElement> RunAllowedAsync(this Api api, string session, string prompt)
    {
        var task = await api.SubmitAsync(session, prompt);
        var allowed = new HashSet<string>();
        JsonElement view = default;
        await Wait.ForAsync(
            async () =>
            {
                foreach (var request in (await api.GetAsync($"/api/v1/permissions?task_id={task}&status=pending")).Items())
                    if (allowed.Add(request.Id())) await api.PostAsync($"/api/v1/permissions/{request.Id()}/approve", new { });
                view = await api.GetAsync($"/api/v1/tasks/{task}");
                return view.Text("status") is "completed" or "failed" or "canceled" or "timed_out";
            },
            $"the end of {task}", () => view.ToString());
        return view;
    }

    /// <summary>All events that the session has now.</summary>
    public static async Task<List<JsonElement>> EventsAsync(this Api api, string session, string query = "")
    {
        var events = new List<JsonElement>();
        var after = "0";
        while (true)
        {
            var page = await api.GetAsync($"/api/v1/sessions/{session}/events?limit=200&after={after}{query}");
            events.AddRange(page.Items());
            if (!page.GetProperty("has_more").GetBoolean()) return events;
            after = page.Text("next_cursor")!;
        }
    }

    /// <summary>The events of one type.</summary>
    public static List<JsonElement> Of(this IEnumerable<JsonElement> events, string type) => [.. events.Where(e => e.Text("type") == type)];

    /// <summary>Types without the deltas, for messages.</summary>
    public static string Story(this IEnumerable<JsonElement> events) => string.Join(' ', events.Select(e => e.Text("type")).Except(Outputs));

    public static JsonElement Data(this JsonElement e) => e.GetProperty("data");

    public static string Id(this JsonElement view) => view.GetProperty("id").GetString()!;

    /// <summary>A member's text, or null.</summary>
    public static string? Text(this JsonElement view, string member) =>
        view.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public static long Number(this JsonElement view, string member) => view.GetProperty(member).GetInt64();

    public static List<JsonElement> Items(this JsonElement page) => [.. page.GetProperty("items").EnumerateArray()];

    /// <summary>The files that the session works on, on this host.</summary>
    public static async Task<string> WorkspaceAsync(this Stack stack, string session, Api? api = null) =>
        Path.Combine(stack.DataDirectory, "workspaces", (await (api ?? stack.Api).GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id")!, "workspace");

    /// <summary>Process id of the marionette-agent that serves the session now.</summary>
    public static async Task<int> AgentPidAsync(this Stack stack, string session)
    {
        var runner = (await stack.Api.GetAsync($"/api/v1/sessions/{session}")).Text("runner_id")!;
        return int.Parse((await File.ReadAllTextAsync(Path.Combine(stack.DataDirectory, "runners", runner, "pid"))).Split(' ')[0]);
    }
}
