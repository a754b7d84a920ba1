using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <content>Sessions that are suspended with their container frozen.</content>
public sealed partial class DockerTests
{
    /// <summary>
    /// A process that has a random word and a count in its memory alone. It writes both into the file "said" when it gets SIGUSR1, and counts as long as it may.
    /// </summary>
    private const string StartCounter = """
        setsid sh -c '
          word=$(cat /proc/sys/kernel/random/uuid); n=0
          trap "echo \$\$ \$word \$n > said.new; mv said.new said" USR1
          : > hears
          while :; do n=$((n+1)); sleep 0.05; done' >/dev/null 2>&1 </dev/null &
        echo $! > pid
        for i in $(seq 300); do [ -e hears ] && exit 0; sleep 0.1; done; exit 1
        """;

    private const string AskCounter = "rm -f said; kill -USR1 $(cat pid); for i in $(seq 100); do [ -e said ] && break; sleep 0.1; done; cat said";

    [Fact]
    public async Task Session_ThatIsPaused_KeepsTheMemoryOfItsProcesses_AndItsRunner()
    {
        var api = Stack.Api;
        var session = await ShellAsync();
        await SaysAsync(session, StartCounter);
        var before = await CounterAsync(session);
        var paused = await PauseAsync(session);
        Assert.Equal(("paused", "pause"), (paused.Text("phase"), paused.GetProperty("recovery_point").Text("reason")));
        Assert.Equal("paused", (await api.GetAsync($"/api/v1/runners/{paused.Text("runner_id")}")).Text("status"));
        Assert.NotEmpty(await PausedContainersAsync());

        // Longer than the agent waits for a server that is silent, and the server for it: both ends of the stream are gone meanwhile.
        var since = paused.GetProperty("paused_at").GetDateTimeOffset();
        await Wait.ForAsync(
            async () =>
            {
                Assert.Equal("paused", (await api.GetAsync($"/api/v1/sessions/{session}")).Text("phase"));
                return TimeProvider.System.GetUtcNow() - since > TimeSpan.FromSeconds(35);
            },
            "a pause that outlasts every patience of the stream", () => "", TimeSpan.FromMinutes(2));

        var after = await CounterAsync(session);
        Assert.Equal(before[..2], after[..2]);
        Assert.InRange(long.Parse(after[2]), long.Parse(before[2]), long.MaxValue);
        Assert.Empty(await PausedContainersAsync());
        var view = await api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal((paused.Text("runner_id"), 1L, null), (view.Text("runner_id"), view.Number("epoch"), view.Text("paused_at")));
        var log = await api.EventsAsync(session);
        Assert.Equal(Enumerable.Range(1, log.Count), log.Select(e => (int)e.Number("seq")));
        Assert.Empty(log.Of("runner.lost"));
        await api.Http.DeleteAsync($"/api/v1/sessions/{session}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Session_WhosePausedContainerIsRemoved_GoesOnFromItsCheckpoint_AndSaysWhy()
    {
        var api = Stack.Api;
        var session = await ShellAsync();
        await SaysAsync(session, "printf kept > file; printf remembered > $HOME/note");
        await PauseAsync(session);
        await world.DockerAsync("container", "rm", "--force", Assert.Single(await PausedContainersAsync()));
        await Wait.ForAsync(
            async () => (await api.GetAsync($"/api/v1/sessions/{session}")).Text("runner_id") is null, "the death of the paused runner to be noticed", () => "");
        Assert.Equal("suspended", (await api.GetAsync($"/api/v1/sessions/{session}")).Text("phase"));
        Assert.Equal("kept remembered", await SaysAsync(session, "cat file; printf ' '; cat $HOME/note"));
        var log = await api.EventsAsync(session);
        Assert.Equal("removed", Assert.Single(log.Of("runner.lost")).Data().Text("cause"));
        Assert.Equal(2, (await api.GetAsync($"/api/v1/sessions/{session}")).Number("epoch"));
        await api.Http.DeleteAsync($"/api/v1/sessions/{session}", TestContext.Current.CancellationToken);
    }

    /// <summary>As with a host that is started anew: nothing of the container's memory is left, and the engine says how it ended.</summary>
    [Fact]
    public async Task Session_WhoseEngineIsStartedAnewWhileItIsPaused_GoesOnFromItsCheckpoint()
    {
        var api = Stack.Api;
        Assert.SkipUnless(world.Engine.IsOurs, "The engine is not the tests' own.");
        var session = await ShellAsync();
        await SaysAsync(session, "printf kept > file");
        await PauseAsync(session);
        await world.Engine.StopDockerdAsync();
        await world.Engine.StartDockerdAsync();
        Assert.Equal("kept", await SaysAsync(session, "cat file"));
        Assert.Equal("engine_restarted", Assert.Single((await api.EventsAsync(session)).Of("runner.lost")).Data().Text("cause"));
        Assert.Equal(2, (await api.GetAsync($"/api/v1/sessions/{session}")).Number("epoch"));
        await api.Http.DeleteAsync($"/api/v1/sessions/{session}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Claude_PausedInTheMiddleOfATurn_GoesOnInItsConversation_OnTheSameRunner()
    {
        var api = Stack.Api;
        var session = await Stack.ClaudeAsync(new { provider = "docker", base_url = $"http://{ModelName}", permission_mode = "bypassPermissions", suspend_strategy = "pause" });
        Assert.Equal("completed", (await api.RunAsync(session, "@scenario say text=hello")).Text("status"));
        var conversation = (await api.GetAsync($"/api/v1/sessions/{session}")).Text("conversation_id");
        var task = await api.SubmitAsync(session, $"@scenario slow chunks=1800 delay_ms=50 size=16 gate={session}");
        await Wait.ForAsync(async () => (await api.EventsAsync(session)).Any(e => e.Text("type") == "text.delta" && e.Text("task_id") == task), "the turn to speak", () => "");
        // Its own strategy: nobody says one.
        await api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        var paused = await api.SessionInAsync(session, "suspended");
        Assert.Equal("paused", paused.Text("phase"));
        Assert.Equal("queued", (await api.GetAsync($"/api/v1/tasks/{task}")).Text("status"));
        Stack.Model.Open(session);
        await api.PostAsync($"/api/v1/sessions/{session}/resume", new { });
        var ended = await api.TaskEndedAsync(task);
        Assert.True(ended.Text("status") == "completed", ended.ToString());
        Assert.Equal(conversation, ended.Text("conversation_id"));
        var view = await api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal((paused.Text("runner_id"), 1L), (view.Text("runner_id"), view.Number("epoch")));
        await api.Http.DeleteAsync($"/api/v1/sessions/{session}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Process_CannotBePaused_AndSaysSoWithTheField()
    {
        using var refused = await Stack.Api.SendAsync(HttpMethod.Post, "/api/v1/sessions", new { agent = "command", command = new[] { "/bin/sh" }, provider = "process", suspend_strategy = "pause" });
        Assert.Equal(400, (int)refused.StatusCode);
        Assert.Contains("suspend_strategy", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private Task<string> ShellAsync() => Stack.Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, provider = "docker" });

    private async Task<string> SaysAsync(string session, string script)
    {
        var ran = await Stack.Api.RunAsync(session, script);
        Assert.True(ran.Text("status") == "completed", ran.ToString());
        return ran.Text("result") ?? "";
    }

    /// <summary>Number, word and count of the process that <see cref="StartCounter"/> started.</summary>
    private async Task<string[]> CounterAsync(string session)
    {
        var said = await SaysAsync(session, AskCounter);
        var parts = said.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Assert.True(parts.Length == 3, said);
        return parts;
    }

    private async Task<JsonElement> PauseAsync(string session)
    {
        await Stack.Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { strategy = "pause" });
        return await Stack.Api.SessionInAsync(session, "suspended");
    }

    private async Task<string[]> PausedContainersAsync() =>
        (await world.DockerAsync("container", "ls", "--quiet", "--filter", "status=paused")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
