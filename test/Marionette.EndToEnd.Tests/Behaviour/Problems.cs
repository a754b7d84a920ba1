using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>What every refusal has to look like, and must not say.</summary>
internal static class Problems
{
    private static readonly string[] Inside = ["   at ", ".cs:line", "Exception", "StackTrace", "Npgsql", "Orleans", "Marionette.", "System.", "marionette.grain_state", "/work/", "/home/"];

    /// <summary>Checks the whole shape; the answer without what differs from one request to the next.</summary>
    public static async Task<string> CheckAsync(HttpResponseMessage response, int status, string what)
    {
        var text = await response.Content.ReadAsStringAsync();
        what = $"{what}: {(int)response.StatusCode} {text}";
        Assert.True((int)response.StatusCode == status, $"expected {status}; {what}");
        Assert.True(response.Content.Headers.ContentType?.MediaType == "application/problem+json", what);
        Assert.All(Inside, word => Assert.False(text.Contains(word, StringComparison.Ordinal), what));
        using var document = JsonDocument.Parse(text);
        var problem = document.RootElement;
        Assert.True(problem.Number("status") == status, what);
        Assert.All(["type", "title", "detail", "code", "message", "trace_id"], member => Assert.False(string.IsNullOrEmpty(problem.Text(member)), what));
        Assert.True(problem.Text("type")!.StartsWith("/problems/", StringComparison.Ordinal), what);
        return string.Join('\n', problem.EnumerateObject().Where(member => member.Name != "trace_id").Select(member => member.ToString()));
    }
}
