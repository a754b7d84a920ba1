using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Sessions of a shell, and what becomes of their folders.</summary>
public abstract class CheckpointTest
{
    private protected abstract Stack Stack { get; }

    private protected Api Api => Stack.Api;

    private protected Task<string> CreateAsync() => Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" } });

    private protected async Task<string> RunAsync(string session, string script)
    {
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, script));
        Assert.True(ended.Text("status") == "completed", ended.ToString());
        return ended.MaybeText("result") ?? "";
    }

    /// <summary>A digest of all that a snapshot keeps, made by the agent itself.</summary>
    private protected Task<string> DigestAsync(string session) => RunAsync(session, """
        {
          find . ! -type d -printf '%p %y %m %s %T@ %l\n' | sort
          find . -mindepth 1 -type d -printf '%p %y %m %T@\n' | sort
          find . -type f | sort | xargs sha256sum
          cat $HOME/note
        } | sha256sum
        """);

    private protected async Task SuspendAsync(string session)
    {
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await Api.SessionInAsync(session, "suspended");
        var workspace = (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id");
        await Wait.ForAsync(() => !RunnerProcess.AnyIn(Stack.DataDirectory, workspace), "the runner's end");
    }

    private protected async Task<string> FolderAsync(string session) =>
        Path.Combine(Stack.DataDirectory, "workspaces", (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id"));

    private protected async Task<JsonElement> PointAsync(string session, string reason)
    {
        JsonElement point = default;
        await Wait.ForAsync(
            async () => (await Api.GetAsync($"/api/v1/sessions/{session}")).TryGetProperty("recovery_point", out point) && point.Text("reason") == reason,
            $"a checkpoint of {session}");
        return point;
    }
}
