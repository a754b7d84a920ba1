using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;
using Marionette.TestEngine;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Sessions on the provider "docker": shipped programs, the runner image, the real Claude Code in a container that reaches what it may.</summary>
public sealed partial class DockerTests(DockerTests.World world) : IClassFixture<DockerTests.World>
{
    private const string ModelName = "model.test.internal";

    private Stack Stack
    {
        get
        {
            Assert.SkipWhen(world.Stack is null, DockerEngine.Obstacle() ?? "");
            return world.Stack;
        }
    }

    [Fact]
    public async Task Claude_InAContainer_WorksAsksAndIsHeldBack()
    {
        var api = Stack.Api;
        var session = await Stack.ClaudeAsync(new { provider = "docker", base_url = $"http://{ModelName}", network_policy = "deny", permission_mode = "bypassPermissions" });
        var said = await api.RunAsync(session, "@scenario say text=hello");
        Assert.True(said.Text("status") == "completed", said.ToString());
        Assert.Equal("hello", said.Text("result"));

        // From inside: who it is, and that the world ends at the policy.
        var ran = await api.RunAsync(session, "@scenario multi n=1 cmd='id -u; timeout 3 bash -c \"exec 3<>/dev/tcp/blocked.example.com/443\"; true'");
        Assert.True(ran.Text("status") == "completed", ran.ToString());
        var log = await api.EventsAsync(session);
        Assert.Contains(log.Of("tool_result"), e => e.Data().Text("content")!.Contains("10001", StringComparison.Ordinal));
        var runner = await api.GetAsync($"/api/v1/runners/{(await api.GetAsync($"/api/v1/sessions/{session}")).Text("runner_id")}");
        Assert.Equal("docker", runner.Text("provider"));
        await Wait.ForAsync(
            async () => (await api.EventsAsync(session)).Any(e => e.Text("type") == "network.blocked" && e.Data().Text("target") == "blocked.example.com"),
            "the denial in the session's log", () => "");
    }

    [Fact]
    public async Task Session_ThatIsSuspended_FindsItsFilesAndItsConversationInANewContainer()
    {
        var api = Stack.Api;
        var session = await Stack.ClaudeAsync(new { provider = "docker", base_url = $"http://{ModelName}", permission_mode = "bypassPermissions" });
        var first = await api.RunAsync(session, "@scenario multi n=1 cmd='echo kept > kept.txt'");
        Assert.True(first.Text("status") == "completed", first.ToString());
        await api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await api.SessionInAsync(session, "suspended");
        var second = await api.RunAsync(session, "@scenario multi n=1 cmd='cat kept.txt'");
        Assert.True(second.Text("status") == "completed", second.ToString());
        Assert.Equal(first.Text("conversation_id"), second.Text("conversation_id"));
        Assert.Contains((await api.EventsAsync(session)).Of("tool_result"), e => e.Data().Text("content")!.Contains("kept", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Session_MovedIntoAContainerAndBack_GoesOnWithItsFiles()
    {
        var api = Stack.Api;
        var session = await api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, provider = "process" });
        await SaysAsync("", "mkdir -p a/b && printf one > a/b/c.txt && printf remembered > $HOME/note");
        await MoveAsync("docker");
        await SaysAsync("10001 one remembered", "printf '%s ' $(id -u) $(cat a/b/c.txt); cat $HOME/note; printf two > a/b/c.txt; rm $HOME/note");
        await MoveAsync("process");
        await SaysAsync("two gone", "cat a/b/c.txt; test -e $HOME/note || printf ' gone'");
        var log = await api.EventsAsync(session);
        Assert.Equal(["new", "restored", "restored"], log.Of("workspace.ready").Select(e => e.Data().Text("source")));
        Assert.Equal(2, log.Of("session.moved").Count(e => e.Data().Text("stays") is null));

        async Task MoveAsync(string provider)
        {
            using var answer = await api.SendAsync(HttpMethod.Patch, $"/api/v1/sessions/{session}", new { provider });
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        }

        async Task SaysAsync(string expected, string script)
        {
            var ran = await api.RunAsync(session, script);
            Assert.True(ran.Text("status") == "completed", ran.ToString());
            Assert.Equal(expected, ran.Text("result") ?? "");
        }
    }

    /// <summary>An engine, and a stack beside it.</summary>
    public sealed class World : IAsyncLifetime
    {
        private readonly string _installation = $"e2e-{Guid.NewGuid():N}"[..12];
        private DockerEngine? _engine;
        private Stack? _stack;

        internal Stack? Stack => _stack;

        internal DockerEngine Engine => _engine!;

        /// <summary>What Docker's own client says, asked of this engine.</summary>
        internal async Task<string> DockerAsync(params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo("docker", ["--host", Engine.Host.OriginalString, .. arguments]) { RedirectStandardOutput = true })!;
            var said = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
            return said.Trim();
        }

        public async ValueTask InitializeAsync()
        {
            if (DockerEngine.Obstacle() is not null) return;
            _engine = await DockerEngine.StartAsync($"claude={Artifacts.Claude}");
            _stack = await Stack.StartAsync(forModel: model =>
            [
                "--docker-host", _engine.Host.OriginalString, "--docker-image", _engine.Image, "--docker-pull", "never",
                "--docker-aliases", $"{ModelName}={model.Url.Host}:{model.Url.Port}", "--cluster-id", _installation,
            ]);
        }

        public async ValueTask DisposeAsync()
        {
            if (_stack is not null) await _stack.DisposeAsync();
            if (_engine is null) return;
            await _engine.RemoveAsync(_installation);
            await _engine.DisposeAsync();
        }
    }
}
