using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>The command line against a running stack: what people see, what programs parse, what scripts branch on.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class CliTests(SharedStack shared)
{
    private Stack Stack => shared.Stack;

    private Api Api => shared.Stack.Api;

    [Fact]
    public async Task Sessions_CreatedListedSuspendedResumedTerminated()
    {
        var created = await MarionetteAsync("sessions", "create", "--base-url", Stack.Model.Url.ToString(), "--agent-api-key", "sk-any", "--labels", "team=cli", "-o", "json");
        var session = created.Json.Id();
        Assert.Equal("pending", created.Json.Text("status"));
        var list = await MarionetteAsync("sessions", "list", "--labels", "team=cli", "-o", "json");
        Assert.Contains(list.Json.Items(), item => item.Id() == session);
        Assert.Contains(session, (await MarionetteAsync("sessions", "list")).Output);
        Assert.Equal("cli", (await MarionetteAsync("sessions", "get", session, "-o", "json")).Json.GetProperty("labels").Text("team"));
        Assert.Contains(session, (await MarionetteAsync("sessions", "get", session, "-o", "yaml")).Output);

        await MarionetteAsync("tasks", "run", "--session", session, "@scenario say text=hi");
        await MarionetteAsync("sessions", "suspend", session);
        await Api.SessionInAsync(session, "suspended");
        await MarionetteAsync("sessions", "resume", session);
        await Api.SessionInAsync(session, "active");
        await MarionetteAsync("sessions", "terminate", session);
        await Api.SessionInAsync(session, "terminated");
        var missing = await CommandLine.RunAsync(Stack, "sessions", "get", "sess_0000000000000000");
        Assert.Equal(1, missing.ExitCode);
        Assert.Empty(missing.Output);
        Assert.Single(missing.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task TasksRun_ShowsWhatHappens_AndEndsAsTheTaskDoes()
    {
        var session = await Stack.ClaudeAsync();
        var shown = await CommandLine.RunAsync(Stack, "tasks", "run", "--yes", "--session", session, "@scenario shell cmd='echo did > it.txt; cat it.txt'\n@scenario say text=\"All done.\"");
        Assert.True(shown.ExitCode == 0, shown.ToString());
        Assert.All(["Bash", "echo did > it.txt", "did", "All done."], text => Assert.Contains(text, shown.Output));

        var json = await CommandLine.RunAsync(Stack, "tasks", "run", "--session", session, "-o", "json", "@scenario say text=parsed");
        Assert.Equal(0, json.ExitCode);
        Assert.Equal("parsed", json.Json.Text("result"));
        Assert.Equal(5, (await CommandLine.RunAsync(Stack, "tasks", "run", "--session", session, "--timeout", "1", "@scenario slow chunks=400 delay_ms=50")).ExitCode);

        var failing = await Stack.ClaudeAsync();
        var failed = await CommandLine.RunAsync(Stack, "tasks", "run", "--session", failing, "@scenario status code=404 times=always");
        Assert.True(failed.ExitCode == 3, failed.ToString());
        Assert.Contains("model_error", failed.Output);
    }

    [Fact]
    public async Task TasksRun_WithoutATerminal_CountsAsNo()
    {
        var session = await Stack.ClaudeAsync();
        var shown = await CommandLine.RunAsync(Stack, "tasks", "run", "--session", session, "@scenario shell cmd='touch it.txt'");
        Assert.True(shown.ExitCode == 0, shown.ToString());
        Assert.Equal("denied", Assert.Single((await Api.GetAsync($"/api/v1/permissions?session_id={session}")).Items()).Text("status"));
        Assert.False(File.Exists(Path.Combine(await Stack.WorkspaceAsync(session), "it.txt")));
    }

    [Fact]
    public async Task TaskOfAnother_IsFollowedCanceledAndAnswered()
    {
        var session = await Stack.ClaudeAsync();
        var created = await MarionetteAsync("tasks", "create", "--session", session, "-o", "json", "@scenario shell cmd='echo first > a.txt'\n@scenario slow chunks=400 delay_ms=50");
        var task = created.Json.Id();
        var watching = CommandLine.RunAsync(Stack, "tasks", "logs", "-f", task);
        var attached = CommandLine.RunAsync(Stack, "sessions", "attach", session, "--all", "-o", "json");

        await Api.PermissionAsync(session);
        var request = Assert.Single((await MarionetteAsync("permissions", "list", "--session", session, "-o", "json")).Json.Items());
        Assert.Contains(request.Id(), (await MarionetteAsync("permissions", "list")).Output);
        await MarionetteAsync("permissions", "approve", request.Id(), "--input", """{"command":"echo second > a.txt"}""");
        var late = await CommandLine.RunAsync(Stack, "permissions", "deny", request.Id());
        Assert.Equal(1, late.ExitCode);
        Assert.Contains("pproved by", late.Errors);
        await using (var events = new EventReader(() => Api, session)) await events.SeenAsync("text.delta", 3);
        await MarionetteAsync("tasks", "cancel", task);
        var watched = await watching;
        Assert.True(watched.ExitCode == 4, watched.ToString());
        Assert.Contains("Bash", watched.Output);
        Assert.Equal("second\n", await File.ReadAllTextAsync(Path.Combine(await Stack.WorkspaceAsync(session), "a.txt")));
        Assert.Equal("canceled", (await MarionetteAsync("tasks", "get", task, "-o", "json")).Json.Text("status"));
        Assert.Contains((await MarionetteAsync("tasks", "list", "--session", session, "--status", "canceled", "-o", "json")).Json.Items(), item => item.Id() == task);
        Assert.NotEmpty((await MarionetteAsync("tasks", "logs", task, "-o", "json")).Json.Items());

        await MarionetteAsync("sessions", "terminate", session);
        var lines = (await attached).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(EventStream.Parse).ToList();
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(n => (long)n), lines.Select(e => e.Number("seq")));
        Assert.Equal("session.terminated", lines[^1].Text("type"));
    }

    [Fact]
    public async Task Keys_AreShownOnceUsedAndRevoked()
    {
        var created = (await MarionetteAsync("keys", "create", "--name", "for the script", "--scopes", "sessions:read", "-o", "json")).Json;
        var (id, token) = (created.GetProperty("key").Id(), created.Text("raw_token")!);
        var scripted = new Dictionary<string, string> { ["MARIONETTE_API_URL"] = Stack.ApiUrl, ["MARIONETTE_API_KEY"] = token };
        Assert.Equal(0, (await CommandLine.RunAsync(scripted, "sessions", "list")).ExitCode);
        Assert.Equal(6, (await CommandLine.RunAsync(scripted, "tasks", "list")).ExitCode);
        var list = await MarionetteAsync("keys", "list", "-o", "json");
        Assert.Contains(list.Json.Items(), key => key.Id() == id);
        Assert.DoesNotContain(token, list.Output);
        await MarionetteAsync("keys", "revoke", id);
        Assert.Equal(6, (await CommandLine.RunAsync(scripted, "sessions", "list")).ExitCode);
    }

    [Fact]
    public async Task WrongUse_IsSaidInOneWay()
    {
        Assert.Equal(2, (await CommandLine.RunAsync(Stack, "tasks", "run")).ExitCode);
        Assert.Equal(2, (await CommandLine.RunAsync(Stack, "no-such-command")).ExitCode);
        var nowhere = await CommandLine.RunAsync(new Dictionary<string, string> { ["MARIONETTE_API_URL"] = "http://127.0.0.1:1", ["MARIONETTE_API_KEY"] = "mk_x" }, "sessions", "list");
        Assert.Equal(1, nowhere.ExitCode);
        Assert.DoesNotContain("   at ", nowhere.Errors);
        Assert.Equal(0, (await CommandLine.RunAsync(Stack, "--help")).ExitCode);
    }

    private Task<CommandResult> MarionetteAsync(params string[] arguments) => Stack.MarionetteAsync(arguments);
}
