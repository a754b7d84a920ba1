using System.Diagnostics;
using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.Acp;

/// <summary>Commands that an agent runs through us: no agent that the adapter kit drives does, so one of our own does here.</summary>
public sealed class AcpTerminalTests
{
    [Fact]
    public async Task Command_RunsInTheWorkspace_AndItsOutputIsTheCalls()
    {
        await using var harness = Harness();
        var said = await TerminalAsync(harness, """
            {"command":"sh","args":["-c","pwd; echo $GIVEN$SESSION; echo wrong >&2; exit 3"],"env":[{"name":"GIVEN","value":"by the agent"}]}
            """, "wait_for_exit", "output", "release");
        Assert.Equal(3, said.GetProperty("wait_for_exit").GetProperty("exitCode").GetInt32());
        var output = said.GetProperty("output");
        Assert.Equal(3, output.GetProperty("exitStatus").GetProperty("exitCode").GetInt32());
        Assert.False(output.GetProperty("truncated").GetBoolean());
        foreach (var line in new[] { harness.Workspace, "by the agent, by the session", "wrong" })
            Assert.Contains($"{line}\n", output.GetProperty("output").GetString(), StringComparison.Ordinal);
        // The agent let go of the terminal before it said that the call is over: what it printed is the call's result all the same.
        var result = Assert.Single(harness.Of("tool_result")).GetProperty("content").GetString()!;
        Assert.Contains("by the agent, by the session", result, StringComparison.Ordinal);
        Assert.Contains("term_1", said.GetProperty("after").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kill_EndsTheCommandAndItsChildren_AndKeepsTheOutput()
    {
        await using var harness = Harness();
        var said = await TerminalAsync(harness, """{"command":"echo begun; sleep 1000 & echo $! > pid; wait"}""", "kill", "wait_for_exit", "output", "release");
        Assert.Equal(JsonValueKind.Null, said.GetProperty("wait_for_exit").GetProperty("exitCode").ValueKind);
        Assert.Equal("SIGKILL", said.GetProperty("wait_for_exit").GetProperty("signal").GetString());
        Assert.Equal("SIGKILL", said.GetProperty("output").GetProperty("exitStatus").GetProperty("signal").GetString());
        var file = Path.Combine(harness.Workspace, "pid");
        if (File.Exists(file) && int.TryParse(await File.ReadAllTextAsync(file), out var child))
            await Eventually.TrueAsync(() => !IsAlive(child));
    }

    [Fact]
    public async Task Output_OverTheAgentsLimit_IsItsNewestPart()
    {
        await using var harness = Harness();
        var said = await TerminalAsync(
            harness, """{"command":"seq","args":["1000"],"outputByteLimit":10}""", "wait_for_exit", "output", "release");
        Assert.Equal(("999\n1000\n", true), (said.GetProperty("output").GetProperty("output").GetString()![^9..], said.GetProperty("output").GetProperty("truncated").GetBoolean()));
        Assert.Equal(10, said.GetProperty("output").GetProperty("output").GetString()!.Length);
    }

    [Fact]
    public async Task Program_ThatIsMissing_IsSaidToTheAgent()
    {
        await using var harness = Harness();
        var said = await TerminalAsync(harness, """{"command":"no-such-program","args":["x"]}""");
        Assert.Contains("no-such-program", said.GetProperty("created").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AgentsEnd_EndsItsTerminals()
    {
        await using var harness = Harness();
        var running = harness.Start("""{"do":"terminal","die":true,"steps":[],"create":{"command":"echo $$ > pid; exec sleep 1000"}}""");
        var result = await running.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(Outcomes.Failed, result.Outcome);
        // The command may have been ended before it wrote its number.
        var file = Path.Combine(harness.Workspace, "pid");
        if (File.Exists(file) && int.TryParse(await File.ReadAllTextAsync(file), out var child))
            await Eventually.TrueAsync(() => !IsAlive(child));
    }

    [Fact]
    public async Task DeniedWithInterrupt_ByAnAgentThatEndsItsTurnAtOnce_IsCanceled()
    {
        await using var harness = Harness();
        var running = harness.Start("""{"do":"ask"}""");
        var ask = await harness.WaitForAsync(e => e.Type == "permission.request", "the question");
        Assert.True(await harness.AnswerAsync(Commands.Deny(ask.Data.GetProperty("request_id").GetString()!, "no", interrupt: true)));
        Assert.Equal(Outcomes.Canceled, (await running.WaitAsync(TimeSpan.FromSeconds(60))).Outcome);
    }

    private static bool IsAlive(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static DriverHarness Harness()
    {
        var setup = new Setup { Session = "sess_1", Agent = "acp", PermissionMode = "default" };
        setup.Command.AddRange(["python3", Path.Combine(AppContext.BaseDirectory, "Acp", "scripted_acp.py")]);
        setup.Env["SESSION"] = ", by the session";
        return new DriverHarness(setup);
    }

    /// <summary>Has the agent make a terminal and take these steps with it.</summary>
    /// <returns>What it was answered.</returns>
    private static async Task<JsonElement> TerminalAsync(DriverHarness harness, string create, params string[] steps)
    {
        var result = await harness.RunAsync($$"""{"do":"terminal","create":{{create}},"steps":{{JsonSerializer.Serialize(steps)}}}""");
        Assert.True(result.Outcome == Outcomes.Completed, $"{result.ErrorCode} {result.ErrorMessage}\n{harness.Log.Text}");
        return JsonDocument.Parse(result.Result!).RootElement;
    }
}
