using System.Text;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Sessions on the scripted model, and what a stream of theirs must add up to.</summary>
internal static class Talk
{
    /// <summary>A session of the real Claude Code. <paramref name="more"/> goes over the usual fields.</summary>
    public static Task<string> StartClaudeAsync(this Api api, string model, object? more = null)
    {
        var body = new Dictionary<string, object> { ["agent"] = "claude", ["api_key"] = "sk-any", ["base_url"] = model };
        foreach (var property in more?.GetType().GetProperties() ?? []) body[property.Name] = property.GetValue(more)!;
        return api.CreateSessionAsync(body);
    }

    public static Task<string> StartClaudeAsync(this Stack stack, object? more = null) => stack.Api.StartClaudeAsync(stack.Model.Url.ToString(), more);

    /// <summary>
    /// A text in twenty pieces a second that goes on until the model's gate of that name is opened: then its rest comes at once.
    /// It takes a minute and a half where nobody opens it, so that no fault is too slow to happen in its middle.
    /// </summary>
    public static string Slow(string gate) => $"@scenario slow chunks=1800 delay_ms=50 size=16 gate={gate}";

    /// <summary>The runs of a task, oldest first.</summary>
    public static async Task<List<JsonElement>> RunsAsync(this Api api, string task) =>
        [.. (await api.GetAsync($"/api/v1/tasks/{task}/runs?limit=200")).GetProperty("items").EnumerateArray().Reverse()];

    public static string Text(this JsonElement element, string property) => element.GetProperty(property).GetString()!;

    public static string? MaybeText(this JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) ? value.GetString() : null;

    /// <summary>What the deltas of a task's run say, put together.</summary>
    public static string Deltas(IEnumerable<JsonElement> events, string run)
    {
        var text = new StringBuilder();
        foreach (var e in events)
            if (e.Text("type") == "text.delta" && e.MaybeText("run_id") == run) text.Append(e.GetProperty("data").Text("text"));
        return text.ToString();
    }

    /// <summary>The whole text that a task's run said: its <c>text</c> blocks.</summary>
    public static string Whole(IEnumerable<JsonElement> events, string run) =>
        string.Concat(events.Where(e => e.Text("type") == "text" && e.MaybeText("run_id") == run).Select(e => e.GetProperty("data").Text("text")));

    /// <summary>A task that was not cut off: one run, and every piece of its text exactly once.</summary>
    public static async Task AssertOneWholeRunAsync(this Api api, EventReader reader, string session, string task)
    {
        var runs = await api.RunsAsync(task);
        var run = Assert.Single(runs);
        Assert.Equal(1, run.GetProperty("attempt").GetInt32());
        Assert.Equal("completed", run.Text("status"));
        var events = await Ledger.AssertSoundAsync(api, session);
        await reader.CaughtUpAsync(events.Count);
        reader.AssertGapless();
        // The stream that was broken and the log as it is stored are the same events.
        Assert.Equal(events.Select(e => e.GetRawText()), reader.Events.Select(e => e.GetRawText()));
        var whole = Whole(events, run.Text("id"));
        Assert.NotEmpty(whole);
        Assert.Equal(whole, Deltas(reader.Events, run.Text("id")));
        Assert.Equal(whole, (await api.GetAsync($"/api/v1/tasks/{task}")).Text("result"));
    }

    public static Task CaughtUpAsync(this EventReader reader, long seq) =>
        Wait.ForAsync(() => reader.Last >= seq, $"the reader to be at {seq}", () => $"It is at {reader.Last}.");
}
