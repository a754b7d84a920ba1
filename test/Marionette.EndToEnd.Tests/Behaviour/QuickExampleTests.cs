using System.Diagnostics;
using System.Text.Json;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The original's quick example: what its users type must go on working as it stands.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class QuickExampleTests(SharedStack shared)
{
    [Fact]
    public async Task QuickExample_TypedWordForWord_MakesASessionAndATask()
    {
        var (status, session) = await CurlAsync("/api/v1/sessions", """{"agent":"claude","api_key":"sk-ant-not-a-key"}""");
        Assert.True(status == 201, $"{status} {session}");
        Assert.StartsWith("sess_", session.Id());
        Assert.Equal("pending", session.Text("status"));
        Assert.Equal("claude", session.Text("agent"));
        Assert.True(session.GetProperty("is_byok").GetBoolean());
        Assert.StartsWith("ws_", session.Text("workspace_id"));
        Assert.Equal("on_demand", session.Text("lifecycle_mode"));
        Assert.True(session.TryGetProperty("created_at", out _) && session.TryGetProperty("updated_at", out _) && session.TryGetProperty("labels", out _));
        Assert.DoesNotContain("sk-ant-not-a-key", session.ToString());

        (status, var task) = await CurlAsync("/api/v1/tasks", $$"""{"session_id":"{{session.Id()}}","prompt":"Hello"}""");
        Assert.True(status == 201, $"{status} {task}");
        Assert.StartsWith("task_", task.Id());
        Assert.Equal(session.Id(), task.Text("session_id"));
        Assert.Equal("Hello", task.Text("prompt"));
        Assert.Equal("queued", task.Text("status"));
        Assert.Equal(3600, task.Number("timeout_seconds"));

        // Without a base_url the agent would go on to the vendor: it does not get that far.
        using var ended = await shared.Stack.Api.SendAsync(HttpMethod.Delete, $"/api/v1/sessions/{session.Id()}");
        Assert.Equal(System.Net.HttpStatusCode.NoContent, ended.StatusCode);
        Assert.Equal("canceled", (await shared.Stack.Api.TaskEndedAsync(task.Id())).Text("status"));
    }

    private async Task<(int Status, JsonElement Body)> CurlAsync(string path, string body)
    {
        var start = new ProcessStartInfo("curl")
        {
            RedirectStandardOutput = true,
            ArgumentList =
            {
                "-s", "-w", "\n%{http_code}", "-X", "POST", shared.Stack.ApiUrl + path, "-H", $"Authorization: Bearer {shared.Stack.ApiKey}",
                "-H", "Content-Type: application/json", "-d", body,
            },
        };
        using var curl = Process.Start(start)!;
        var output = await curl.StandardOutput.ReadToEndAsync();
        await curl.WaitForExitAsync();
        Assert.Equal(0, curl.ExitCode);
        var end = output.LastIndexOf('\n');
        return (int.Parse(output[(end + 1)..]), JsonDocument.Parse(output[..end]).RootElement.Clone());
    }
}
