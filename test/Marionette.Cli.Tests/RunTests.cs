using System.Runtime.InteropServices;
using System.Text.Json;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary><c>tasks run</c> from the command line to the exit code.</summary>
public sealed class RunTests : IAsyncLifetime
{
    private const string Events = "GET /api/v1/sessions/sess_1/events";

    private FakeServer server = null!;

    public async ValueTask InitializeAsync()
    {
        server = await FakeServer.StartAsync();
        server.On("POST /api/v1/sessions", """{"id":"sess_1","status":"pending"}""", 201)
            .On("POST /api/v1/tasks", """{"id":"task_1","session_id":"sess_1","status":"queued","first_seq":3}""", 201)
            .On("GET /api/v1/permissions/perm_1", """{"id":"perm_1","status":"pending"}""");
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Theory]
    [InlineData("completed", ExitCode.Ok)]
    [InlineData("failed", ExitCode.TaskFailed)]
    [InlineData("canceled", ExitCode.TaskCanceled)]
    [InlineData("timed_out", ExitCode.TaskTimedOut)]
    public async Task Run_TaskEnds_ExitCodeIsTheTasks(string status, int code)
    {
        Ends(status, ("text", new { message_id = "m", index = 0, text = "Hello" }));
        var ran = await Support.Cli.For(server).RunAsync("tasks", "run", "say hello");
        Assert.Equal(code, ran.Code);
        Assert.Equal($"""
            sess_1 · task_1
            Hello
            {(code == 0 ? "✓" : "✗")} {status.Replace('_', ' ')} in 1.2 s · 10 tokens in, 5 out · $0.0012

            """, ran.Out);
        Assert.Equal("The session is kept: marionette tasks run --session sess_1 \"…\"\n", ran.Error);
        // Only what belongs to the task is read: from the event before its first.
        Assert.Equal("2", server.To(Events).First().Headers["Last-Event-ID"]);
    }

    [Fact]
    public async Task Run_FailedTask_TellsWhy()
    {
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"failed"}""");
        server.On(Events, EventStream.Live(EventStream.Event(3, "task.failed", new { error = new { code = "authentication_failed", message = "the model refused the key" } })));
        var ran = await Support.Cli.For(server).RunAsync("tasks", "run", "x", "--session", "sess_1");
        Assert.Equal(ExitCode.TaskFailed, ran.Code);
        Assert.EndsWith("  authentication_failed: the model refused the key\n", ran.Out);
        Assert.Equal("", ran.Error);
        Assert.Empty(server.To("POST /api/v1/sessions"));
    }

    [Fact]
    public async Task Run_RetriedTask_WaitsForTheLastRun()
    {
        server.OnEach("GET /api/v1/tasks/task_1",
            context => FakeServer.WriteAsync(context, """{"id":"task_1","status":"queued"}"""),
            context => FakeServer.WriteAsync(context, """{"id":"task_1","status":"completed"}"""));
        server.On(Events, EventStream.Live(
            EventStream.Event(3, "task.failed", new { attempt = 1 }), EventStream.Event(4, "task.retried", new { attempt = 2 }), EventStream.Event(5, "task.completed", new { attempt = 2 })));
        Assert.Equal(ExitCode.Ok, (await Support.Cli.For(server).RunAsync("tasks", "run", "x")).Code);
    }

    [Fact]
    public async Task Run_EventsOfAnotherTask_AreNotShown()
    {
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"completed"}""");
        server.On(Events, EventStream.Live(
            EventStream.Event(3, "text", new { message_id = "m", index = 0, text = "theirs" }, task: "task_0"), EventStream.Event(4, "task.completed", task: "task_0"),
            EventStream.Event(5, "text", new { message_id = "n", index = 0, text = "mine" }), EventStream.Event(6, "task.completed")));
        var ran = await Support.Cli.For(server).RunAsync("tasks", "run", "x");
        Assert.Contains("mine", ran.Out);
        Assert.DoesNotContain("theirs", ran.Out);
    }

    [Fact]
    public async Task Run_JsonOutput_IsTheFinalTaskAndNothingElse()
    {
        Ends("completed", ("text", new { message_id = "m", index = 0, text = "Hello" }));
        var ran = await Support.Cli.For(server).RunAsync("tasks", "run", "x", "-o", "json");
        Assert.Equal("completed", JsonDocument.Parse(ran.Out).RootElement.GetProperty("status").GetString());
        Assert.Contains("Hello", ran.Error);
    }

    [Fact]
    public async Task Run_Rm_TerminatesTheSessionItMade()
    {
        Ends("completed");
        server.On("DELETE /api/v1/sessions/sess_1", "", 204);
        await Support.Cli.For(server).RunAsync("tasks", "run", "x", "--rm");
        Assert.Single(server.To("DELETE /api/v1/sessions/sess_1"));
    }

    [Fact]
    public async Task Create_WithoutWait_ReturnsAtOnceAndReadsNoEvents()
    {
        Assert.Equal(ExitCode.Ok, (await Support.Cli.For(server).RunAsync("tasks", "create", "--session", "sess_1", "--prompt", "x")).Code);
        Assert.Empty(server.To(Events));
    }

    [Fact]
    public async Task Create_Wait_PrintsTheTaskOnceItHasEnded()
    {
        Ends("failed");
        var ran = await Support.Cli.For(server).RunAsync("tasks", "create", "--session", "sess_1", "--prompt", "x", "--wait");
        Assert.Equal(ExitCode.TaskFailed, ran.Code);
        Assert.Contains("Status:  failed", ran.Out);
    }

    [Fact]
    public async Task Run_CtrlCOnce_CancelsTheTaskAndWaitsForItsEnd()
    {
        var streaming = new TaskCompletionSource();
        var canceled = new TaskCompletionSource();
        server.On("POST /api/v1/tasks/task_1/cancel", context =>
        {
            canceled.SetResult();
            return FakeServer.WriteAsync(context, "", 204);
        });
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"canceled"}""");
        server.On(Events, async context =>
        {
            await EventStream.SendAsync(context, EventStream.Event(3, "task.started"));
            streaming.SetResult();
            await canceled.Task;
            await EventStream.SendMoreAsync(context, EventStream.Event(4, "task.canceled"));
        });
        var cli = Support.Cli.For(server);
        var running = cli.RunAsync("tasks", "run", "x");
        await streaming.Task;
        cli.Signal(PosixSignal.SIGINT);
        var ran = await running;
        Assert.Equal(ExitCode.Interrupted, ran.Code);
        Assert.Contains("canceling the task; Ctrl-C again leaves", ran.Out);
        Assert.Contains("✗ canceled", ran.Out);
    }

    [Theory]
    [InlineData(PosixSignal.SIGINT, 2)]
    [InlineData(PosixSignal.SIGTERM, 1)]
    public async Task Run_CtrlCTwiceOrAKill_LeavesAtOnce(PosixSignal signal, int times)
    {
        var streaming = new TaskCompletionSource();
        server.On("POST /api/v1/tasks/task_1/cancel", "", 204);
        server.On(Events, async context =>
        {
            await EventStream.SendAsync(context, EventStream.Event(3, "task.started"));
            streaming.SetResult();
            await EventStream.Live()(context);
        });
        var cli = Support.Cli.For(server);
        var running = cli.RunAsync("tasks", "run", "x");
        await streaming.Task;
        for (var i = 0; i < times; i++)
            cli.Signal(signal);
        var ran = await running;
        Assert.Equal(ExitCode.Interrupted, ran.Code);
        Assert.Contains("the task goes on without this view", ran.Out);
    }

    [Theory]
    [InlineData("--yes", "approve", """{"reason":"--yes"}""")]
    [InlineData(null, "deny", """{"reason":"no terminal"}""")]
    public async Task Run_PermissionWithoutATerminal_IsAnsweredAsToldElseDenied(string? option, string verb, string body)
    {
        Asks();
        string[] args = ["tasks", "run", "x", .. option is null ? Array.Empty<string>() : [option]];
        Assert.Equal(ExitCode.Ok, (await Support.Cli.For(server).RunAsync(args)).Code);
        var answer = Assert.Single(server.Requests, request => request.Method == "POST" && request.Target.Contains("/permissions/"));
        Assert.Equal(($"/api/v1/permissions/perm_1/{verb}", body), (answer.Target, answer.Body));
    }

    [Theory]
    [InlineData("--yes", "approve")]
    [InlineData(null, "deny")]
    public async Task Run_BudgetWithoutATerminal_IsLeftToPeople(string? option, string verb)
    {
        // Answers are given in order: this one would be the first.
        Asks(budget: "perm_0");
        server.On("POST /api/v1/permissions/perm_0/approve", "", 204).On("POST /api/v1/permissions/perm_0/deny", "", 204);
        string[] args = ["tasks", "run", "x", .. option is null ? Array.Empty<string>() : [option]];
        var ran = await Support.Cli.For(server).RunAsync(args);
        Assert.Equal(ExitCode.Ok, ran.Code);
        Assert.Contains("The task's budget is used up", ran.Out, StringComparison.Ordinal);
        var answer = Assert.Single(server.Requests, request => request.Method == "POST" && request.Target.Contains("/permissions/"));
        Assert.Equal($"/api/v1/permissions/perm_1/{verb}", answer.Target);
    }

    [Theory]
    [InlineData("a", "approve", "{}")]
    [InlineData("xya", "approve", "{}")]
    [InlineData("d\n", "deny", "{}")]
    [InlineData("dtoo dang\bgerous\n", "deny", """{"reason":"too dangerous"}""")]
    [InlineData("d\ea", "approve", "{}")]
    [InlineData("e\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b\b{\"command\":\"ls\"}\n", "approve", """{"updated_input":{"command":"ls"}}""")]
    [InlineData("e,\na", "approve", "{}")]
    public async Task Run_PermissionAtATerminal_IsAnsweredByKeys(string keys, string verb, string body)
    {
        Asks();
        var ran = await Support.Cli.For(server, new TypedKeys(keys)).RunAsync("tasks", "run", "x");
        Assert.Equal(ExitCode.Ok, ran.Code);
        var answer = server.Requests.First(request => request.Method == "POST" && request.Target.Contains("/permissions/"));
        Assert.Equal(($"/api/v1/permissions/perm_1/{verb}", body), (answer.Target, answer.Body));
        Assert.Contains("[a]llow  [d]eny  [e]dit", ran.Out);
    }

    [Fact]
    public async Task Run_PermissionEditedInTheEditor_SendsWhatTheEditorLeft()
    {
        Asks();
        var cli = Support.Cli.For(server, new TypedKeys("e"));
        cli.Variables["EDITOR"] = "sed -i s/rm/ls/";
        Assert.Equal(ExitCode.Ok, (await cli.RunAsync("tasks", "run", "x")).Code);
        Assert.Equal("""{"updated_input":{"command":"ls -rf x"}}""", server.To("POST /api/v1/permissions/perm_1/approve").Single().Body);
    }

    [Fact]
    public async Task Run_AnsweredElsewhereMeanwhile_WithdrawsTheQuestion()
    {
        var keys = new TypedKeys();
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"completed"}""");
        server.On(Events, async context =>
        {
            await EventStream.SendAsync(context, Asked);
            await keys.Waiting.Task;
            await EventStream.SendMoreAsync(context, EventStream.Event(4, "permission.denied", new { permission_id = "perm_1", by = "key_2" }), EventStream.Event(5, "task.completed"));
        });
        var ran = await Support.Cli.For(server, keys).RunAsync("tasks", "run", "x");
        Assert.Equal(ExitCode.Ok, ran.Code);
        Assert.Contains("denied by key_2", ran.Out);
        Assert.DoesNotContain(server.Requests, request => request.Method == "POST" && request.Target.Contains("/permissions/"));
    }

    [Fact]
    public async Task Run_SomebodyWasFaster_SaysWhoAndGoesOn()
    {
        var answered = new TaskCompletionSource();
        server.On("POST /api/v1/permissions/perm_1/approve", async context =>
        {
            await FakeServer.ProblemAsync(context, 409, "already_decided", "already denied by key_2");
            answered.SetResult();
        });
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"completed"}""");
        server.On(Events, async context =>
        {
            await EventStream.SendAsync(context, Asked);
            await answered.Task;
            await EventStream.SendMoreAsync(context, EventStream.Event(4, "permission.denied", new { permission_id = "perm_1", by = "key_2" }), EventStream.Event(5, "task.completed"));
        });
        var ran = await Support.Cli.For(server, new TypedKeys("a")).RunAsync("tasks", "run", "x");
        Assert.Equal(ExitCode.Ok, ran.Code);
    }

    [Fact]
    public async Task Attach_WithoutAnswer_OnlyShowsPermissions()
    {
        server.On("GET /api/v1/sessions/sess_1", """{"id":"sess_1","agent":"claude","status":"active","last_seq":2}""");
        server.On(Events, EventStream.Live(Asked, EventStream.Event(4, "session.terminated", new { reason = "requested" })));
        var ran = await Support.Cli.For(server, new TypedKeys("a")).RunAsync("sessions", "attach", "sess_1");
        Assert.Equal(ExitCode.Ok, ran.Code);
        Assert.Contains("? Bash needs permission", ran.Out);
        Assert.DoesNotContain(server.Requests, request => request.Method == "POST");
    }

    [Fact]
    public async Task Attach_Json_IsOneEventALine()
    {
        server.On("GET /api/v1/sessions/sess_1", """{"id":"sess_1","agent":"claude","status":"active","last_seq":9}""");
        server.On(Events, EventStream.Replay(EventStream.Log(("text", new { text = "a\e[2J" }), ("session.terminated", null))));
        var ran = await Support.Cli.For(server).RunAsync("sessions", "attach", "sess_1", "--all", "-o", "json");
        var lines = ran.Out.TrimEnd('\n').Split('\n');
        Assert.Equal(["text", "session.terminated"], lines.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("type").GetString()));
        Assert.DoesNotContain('\e', ran.Out);
    }

    private static string Asked => AskedAt(3);

    private static string AskedAt(long seq) => EventStream.Event(seq, "permission.requested", new { permission_id = "perm_1", tool = "Bash", risk_level = "high", input = new { command = "rm -rf x" } });

    /// <param name="budget">A request about a budget that comes before the agent's.</param>
    private void Asks(string? budget = null)
    {
        var answered = new TaskCompletionSource<string>();
        var seq = budget is null ? 3 : 4;
        foreach (var verb in new[] { "approve", "deny" })
        {
            server.On($"POST /api/v1/permissions/perm_1/{verb}", async context =>
            {
                await FakeServer.WriteAsync(context, "", 204);
                answered.TrySetResult(verb);
            });
        }
        server.On("GET /api/v1/tasks/task_1", """{"id":"task_1","status":"completed"}""");
        server.On(Events, async context =>
        {
            var question = new { permission_id = budget, budget = "task", tool = "budget", title = "The task's budget is used up", risk_level = "medium" };
            await EventStream.SendAsync(context, [.. budget is null ? Array.Empty<string>() : [EventStream.Event(3, "permission.requested", question)], AskedAt(seq)]);
            var type = await answered.Task == "approve" ? "permission.approved" : "permission.denied";
            await EventStream.SendMoreAsync(context, EventStream.Event(seq + 1, type, new { permission_id = "perm_1", by = "key_1" }), EventStream.Event(seq + 2, "task.completed"));
        });
    }

    private void Ends(string status, params (string Type, object? Data)[] before)
    {
        server.On("GET /api/v1/tasks/task_1", $$"""{"id":"task_1","status":"{{status}}"}""");
        var events = before.Select((each, index) => EventStream.Event(index + 3, each.Type, each.Data)).ToList();
        events.Add(EventStream.Event(events.Count + 3, $"task.{status}", new { usage = new { input_tokens = 10, output_tokens = 5 }, cost_usd = 0.0012, duration_ms = 1234 }));
        server.On(Events, EventStream.Live([.. events]));
    }
}
