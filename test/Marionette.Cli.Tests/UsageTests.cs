using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>What people see when something is wrong: one line, what to do, the exit code.</summary>
public sealed class UsageTests : IAsyncLifetime
{
    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Theory]
    [InlineData("frobnicate", "'frobnicate' is not understood here. See 'marionette --help'.")]
    [InlineData("sessions list --frob", "'--frob' is not understood here. See 'marionette sessions list --help'.")]
    [InlineData("sessions get", "Required argument 'SESSION' missing for command: 'get'. See 'marionette sessions get --help'.")]
    [InlineData("tasks run", "A prompt is needed: an argument, --prompt or --prompt-file. See 'marionette tasks run --help'.")]
    [InlineData("tasks run a --prompt b", "Only one of the argument, --prompt and --prompt-file. See 'marionette tasks run --help'.")]
    [InlineData("tasks run a --session s --provider docker", "--provider is for a new session; it does not go with --session. See 'marionette tasks run --help'.")]
    [InlineData("profiles update prof_1", "nothing to change. 'marionette profiles update --help' lists the options.")]
    [InlineData("up --api-port 70000", "--api-port must be 0 to 65535. See 'marionette up --help'.")]
    [InlineData("sessions create --env NOVALUE", "'NOVALUE' of --env is not K=V")]
    [InlineData("permissions approve perm_1 --input [1]", "--input must be a JSON object")]
    [InlineData("sessions extend sess_1", "give one of SPAN, --until and --never")]
    [InlineData("sessions extend sess_1 12h --never", "give one of SPAN, --until and --never")]
    [InlineData("sessions create --agent claude --ttl 12", "--ttl: '12' is no span of time such as 30m, 12h or 7d")]
    [InlineData("keys create ci --expires soon", "'soon' is neither a time nor a span such as 30d")]
    [InlineData("-s ftp://x sessions list", "'ftp://x' (from --server) is not the address of a server. Write it as http://HOST:PORT.")]
    public async Task Run_WrongLine_SaysSoInOneLineAndSendsNothing(string line, string message)
    {
        var ran = await Support.Cli.For(server).RunAsync(line.Split(' '));
        Assert.Equal(new Ran(ExitCode.Usage, "", $"marionette: {message}\n"), ran);
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sessions")]
    [InlineData("tasks")]
    [InlineData("config")]
    public async Task Run_GroupAlone_ShowsWhatItOffers(string line)
    {
        var ran = await Support.Cli.For(server).RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCode.Usage, ran.Code);
        Assert.Contains("Commands:", ran.Error);
    }

    [Fact]
    public async Task Help_Root_NamesTheProgramTheVariablesAndTheExitCodes()
    {
        var ran = await Support.Cli.For(server).RunAsync("--help");
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains("marionette [command] [options]", ran.Out);
        foreach (var word in new[] { "MARIONETTE_API_URL", "MARIONETTE_TOOLS", "MARIONETTE_VERBOSE", "ANTHROPIC_API_KEY", "NO_COLOR", "130 interrupted", "demo", "completion" })
            Assert.Contains(word, ran.Out);
    }

    [Theory]
    [InlineData(404, "not_found", ExitCode.Failure, "no such session: sess_1. Ids of another tenant look the same as ids that do not exist; the list command shows yours.")]
    [InlineData(401, "unauthenticated", ExitCode.NotAuthorized, "no such session: sess_1. Give the API key with --api-key, MARIONETTE_API_KEY or 'marionette config set-context'.")]
    [InlineData(403, "forbidden", ExitCode.NotAuthorized, "no such session: sess_1. 'marionette keys create' makes a key with more scopes, if yours may.")]
    [InlineData(409, "session_closed", ExitCode.Failure, "no such session: sess_1")]
    public async Task Run_ServerRefuses_TellsTheDetailAndWhatToDo(int status, string code, int exitCode, string message)
    {
        server.OnProblem("GET /api/v1/sessions/sess_1", status, code, "no such session: sess_1");
        Assert.Equal(new Ran(exitCode, "", $"marionette: {message}\n"), await Support.Cli.For(server).RunAsync("sessions", "get", "sess_1"));
    }

    [Fact]
    public async Task Run_ValidationErrors_AreAllTold()
    {
        server.On("POST /api/v1/tasks", """
            {"status":400,"code":"invalid","detail":"The request is not valid.","errors":[{"field":"timeout_seconds","message":"must be 1 to 86400"},{"field":"prompt","message":"is too long"}]}
            """, 400);
        var ran = await Support.Cli.For(server).RunAsync("tasks", "create", "--session", "s", "do it");
        Assert.Equal("marionette: The request is not valid: timeout_seconds must be 1 to 86400; prompt is too long\n", ran.Error);
    }

    [Fact]
    public async Task Run_DetailWithEscapeSequences_IsPrintedWithoutThem()
    {
        server.OnProblem("GET /api/v1/sessions/sess_1", 400, "invalid", "bad\e[2J\nthing");
        Assert.Equal("marionette: bad thing\n", (await Support.Cli.For(server).RunAsync("sessions", "get", "sess_1")).Error);
    }

    [Fact]
    public async Task Run_NobodyListens_SaysSoAtOnce()
    {
        await using var gone = await FakeServer.StartAsync();
        var cli = Support.Cli.For(gone);
        await gone.DisposeAsync();
        var ran = await cli.RunAsync("sessions", "list");
        Assert.Equal((ExitCode.Failure, $"marionette: cannot reach {gone.Url}/ (from MARIONETTE_API_URL): nothing answers there. 'marionette up' starts a server; --server names another.\n"), (ran.Code, ran.Error));
        Assert.Equal(0, ((HurriedClock)cli.Clock).Waits);
    }

    [Fact]
    public async Task Run_SomethingElseListens_SaysThatItIsNotMarionette()
    {
        server.On("GET /api/v1/sessions", context => FakeServer.WriteAsync(context, "<html>", 200, "text/html"));
        Assert.Contains("not JSON", (await Support.Cli.For(server).RunAsync("sessions", "list")).Error);
    }

    [Fact]
    public async Task Run_NoServerKnown_SaysHowToGetOne()
    {
        var ran = await new Support.Cli().RunAsync("sessions", "list");
        Assert.Equal((ExitCode.Failure, "marionette: no server is named, and none runs here. Start one with 'marionette up', or give --server, MARIONETTE_API_URL or a context.\n"), (ran.Code, ran.Error));
    }
}
