using System.Diagnostics;
using Marionette.Cli.Local;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Real processes: what is started, handed over to and stopped.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Up_WhenAllIsWell_BecomesTheServer()
    {
        MakeHome("printf '%s\\n' \"$$\" \"$@\"");
        folder.Script("more tools/codex", "");
        var said = await Shell.RunAsync(Shell.Program, ["up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--connection-string", "Host=x y"],
            null, ("MARIONETTE_HOME", folder.Path), ("MARIONETTE_CLAUDE", folder["tools/claude"]), ("MARIONETTE_CODEX", folder["more tools/codex"]),
            ("MARIONETTE_OPENCODE", "/nowhere/opencode"), ("MARIONETTE_CLAUDE_ACP", null));
        Assert.Equal("", said.Error);
        Assert.Equal(
            [$"{said.Id}", "up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--bind", "127.0.0.1",
             "--connection-string", "Host=x y", "--agent-binary", folder["agent/marionette-agent"], "--tools-path", $"{folder["tools"]}:{folder["more tools"]}"],
            said.Out.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task Up_WithADockerEngine_HandsItOn()
    {
        MakeHome("printf '%s\\n' \"$@\"");
        var said = await Shell.RunAsync(
            Shell.Program,
            ["up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--docker-host", "unix:///run/x.sock", "--docker-image", "mine:1"],
            null, ("MARIONETTE_HOME", folder.Path), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal("", said.Error);
        Assert.Equal(["--docker-host", "unix:///run/x.sock", "--docker-image", "mine:1"], said.Out.TrimEnd('\n').Split('\n')[^4..]);
    }

    [Fact]
    public async Task Up_WithAChunkStore_HandsItOn()
    {
        MakeHome("printf '%s\\n' \"$@\"");
        var said = await Shell.RunAsync(
            Shell.Program, ["up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--chunk-store", "none"],
            null, ("MARIONETTE_HOME", folder.Path), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal("", said.Error);
        Assert.Contains("--chunk-store\nnone\n", said.Out);
    }

    [Fact]
    public async Task Up_WithABucketAndAKeyService_HandsTheirOptionsOn()
    {
        MakeHome("printf '%s\\n' \"$@\"");
        string[] options =
        [
            "--chunk-store", "s3://bucket/part", "--chunk-store-endpoint", "http://minio:9000", "--chunk-store-region", "eu-x", "--chunk-store-direct", "off",
            "--chunk-key", "aws-kms:x,local", "--chunk-key-endpoint", "http://kms:9000", "--chunk-key-region", "eu-y",
        ];
        var said = await Shell.RunAsync(
            Shell.Program, ["up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", .. options],
            null, ("MARIONETTE_HOME", folder.Path), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal("", said.Error);
        Assert.Contains(string.Join('\n', options) + "\n", said.Out);
    }

    [Fact]
    public async Task Up_WithPools_HandsTheirNamesOn()
    {
        MakeHome("printf '%s\\n' \"$@\"");
        var said = await Shell.RunAsync(
            Shell.Program, ["up", "--data-dir", folder["data dir"], "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--pools", "metal, lab", "--pools", "gpu"],
            null, ("MARIONETTE_HOME", folder.Path), ("MARIONETTE_CLAUDE", folder["tools/claude"]));
        Assert.Equal("", said.Error);
        Assert.Equal(["--pools", "metal,lab,gpu"], said.Out.TrimEnd('\n').Split('\n')[^2..]);
    }

    [Theory]
    [InlineData("--api-port 5 --grpc-port 5", 2, "--api-port and --grpc-port are both 5")]
    [InlineData("--bind everywhere", 2, "--bind everywhere is not an IP address")]
    public async Task Up_WrongOptions_SaysSoAndStartsNothing(string options, int code, string message)
    {
        MakeHome("echo started");
        var said = await Shell.RunAsync(Shell.Program, ["up", "--data-dir", folder["data"], .. options.Split(' ')], null, ("MARIONETTE_HOME", folder.Path));
        Assert.Equal((code, ""), (said.Code, said.Out));
        Assert.StartsWith($"marionette: {message}", said.Error);
    }

    [Fact]
    public async Task Up_PortTaken_SaysWhichAndWhatToDo()
    {
        MakeHome("echo started");
        await using var other = await FakeServer.StartAsync();
        var port = new Uri(other.Url).Port;
        var said = await Shell.RunAsync(Shell.Program, ["up", "--data-dir", folder["data"], "--api-port", $"{port}"], null, ("MARIONETTE_HOME", folder.Path));
        Assert.Equal((1, "", $"marionette: port {port} is taken. Another server may run already; --api-port 0 picks a free one.\n"), (said.Code, said.Out, said.Error));
    }

    [Fact]
    public async Task Bench_Arguments_AreHandedOverAsTheyAre()
    {
        folder.Script("bench/Marionette.Bench", "printf '%s\\n' \"$MARIONETTE_ARTIFACTS\" \"$@\"");
        var said = await Shell.RunAsync(Shell.Program, ["bench", "--only", "tasks", "api", "-o", "json", "--what ever"], null, ("MARIONETTE_HOME", folder.Path));
        Assert.Equal([folder.Path, "--only", "tasks", "api", "-o", "json", "--what ever"], said.Out.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task Child_AskedToStop_EndsInOrder()
    {
        var child = Start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done", TimeSpan.FromMinutes(1));
        await child.WaitForAsync(() => Said(child, "ready"), TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        // A session of its own: the terminal's Ctrl-C does not reach it.
        Assert.Equal($"{child.Id}", (await Shell.RunAsync("ps", ["-o", "sid=", "-p", $"{child.Id}"])).Out.Trim());
        Assert.True(await child.StopAsync());
        Assert.Equal("ready\nbye\n", await File.ReadAllTextAsync(child.Log, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Child_ThatWillNotStop_IsKilled()
    {
        var clock = new HurriedClock();
        var patience = TimeSpan.FromMinutes(1);
        var child = Start("trap '' TERM; echo ready; while :; do sleep 0.05; done", patience, clock);
        await child.WaitForAsync(() => Said(child, "ready"), TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        clock.ExpireNext(patience);
        Assert.False(await child.StopAsync());
        await Shell.GoneAsync(child.Id);
    }

    [Fact]
    public async Task Child_ThatEndsTooSoon_IsQuoted()
    {
        var child = Start("echo first; echo 'the port is taken'; exit 7", TimeSpan.FromMinutes(1));
        var error = await Assert.ThrowsAsync<CliException>(() => child.WaitForAsync<string>(() => null, TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken));
        Assert.Equal("the child ended with 7 before it was ready: the port is taken", error.Message);
    }

    [Fact]
    public async Task ProcessTable_ProgramAndFolder_FindsThatProcessAlone()
    {
        var program = folder["sleep"];
        File.Copy("/bin/sleep", program);
        using var ours = Process.Start(program, ["1000", .. Array.Empty<string>()])!;
        using var marked = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"exec '{program}' 1000 0", "x"]))!;
        Assert.Empty(ProcessTable.Find(program, folder["other"]));
        Assert.Empty(ProcessTable.Find("/bin/other", "1000"));
        Assert.Contains(ours.Id, ProcessTable.Find(program, "1000"));
        await ProcessTable.StopAsync(ours.Id, program, TimeSpan.FromMinutes(1), TimeProvider.System);
        await ours.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(143, ours.ExitCode);
        marked.Kill();
    }

    [Fact]
    public async Task Doctor_ServerThatDoesNotAnswer_FailsAndSaysWhatToDo()
    {
        await using var server = await FakeServer.StartAsync();
        server.On("GET /health/ready", "{}").OnProblem("GET /api/v1/agents", 401, "unauthenticated", "unknown key");
        var cli = new Support.Cli { Clock = TimeProvider.System };
        cli.Variables["MARIONETTE_API_URL"] = server.Url;
        cli.Variables["MARIONETTE_HOME"] = folder.Path;
        cli.Variables["PATH"] = Environment.GetEnvironmentVariable("PATH")!;
        var ran = await cli.RunAsync("doctor", "--data-dir", folder["data"], "-o", "json");
        Assert.Equal(ExitCode.Failure, ran.Code);
        var checks = System.Text.Json.JsonDocument.Parse(ran.Out).RootElement.GetProperty("checks").EnumerateArray()
            .ToDictionary(check => check.GetProperty("name").GetString()!, check => check.GetProperty("status").GetString());
        Assert.Equal(("ok", "ok", "ok", "fail"), (checks[".NET"], checks["data"], checks["server"], checks["API key"]));
        Assert.Equal("warn", checks["claude"]);
    }

    private static string? Said(ChildProcess child, string line) => File.Exists(child.Log) && File.ReadAllText(child.Log).Contains(line) ? line : null;

    private ChildProcess Start(string script, TimeSpan patience, TimeProvider? clock = null) =>
        ChildProcess.Start("the child", [folder.Script("child.sh", script)], folder["child.log"], clock ?? TimeProvider.System, patience);

    private void MakeHome(string silo)
    {
        folder.Script("silo/marionette-silo", silo);
        folder.Script("agent/marionette-agent", "");
        folder.Script("tools/claude", "");
    }
}
