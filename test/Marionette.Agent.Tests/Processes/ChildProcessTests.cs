using System.Text;
using Marionette.Agent.Processes;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Processes;

public sealed class ChildProcessTests
{
    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 137", 137, null)]
    [InlineData("kill -9 $$", null, 9)]
    [InlineData("kill -TERM $$", null, 15)]
    public async Task Exited_TellsCodeFromSignal(string script, int? code, int? signal)
    {
        using var child = await StartAsync(script);
        Assert.Equal(new ExitStatus(code, signal), await child.Exited.WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task Child_GetsExactlyItsEnvironmentFolderAndDescriptors()
    {
        using var child = await StartAsync("pwd; env; cat <&3; cat", "from descriptor 3\n");
        await child.Input.WriteAsync("from input"u8.ToArray());
        await child.Input.DisposeAsync();
        var output = (await new StreamReader(child.Output).ReadToEndAsync()).Split('\n');
        Assert.Equal("/tmp", output[0]);
        Assert.Contains("ONE=1", output);
        Assert.Contains("from descriptor 3", output);
        Assert.Contains("from input", output);
        Assert.DoesNotContain(output, line => line.StartsWith("DOTNET_", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, "0 1 2 3")]
    [InlineData("secret", "0 1 2 3 4")]
    public async Task Child_InheritsNoDescriptorByAccident(string? secret, string expected)
    {
        // The last one is the folder that ls itself reads.
        using var child = await ChildProcess.StartAsync(Spec("/bin/ls", ["-1", "/proc/self/fd"], secret));
        var output = await new StreamReader(child.Output).ReadToEndAsync();
        Assert.Equal(expected, output.Trim().Replace('\n', ' '));
    }

    [Fact]
    public async Task Child_FeelsABrokenPipe()
    {
        // With SIGPIPE ignored, as the runtime has it, this writes for ever.
        using var child = await StartAsync("yes | head -n 1; echo done");
        Assert.Equal("y\ndone\n", await new StreamReader(child.Output).ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task Child_LeadsASessionOfItsOwn()
    {
        using var child = await StartAsync("cut -d' ' -f5,6 /proc/$$/stat");
        var fields = (await new StreamReader(child.Output).ReadToEndAsync()).Trim().Split(' ');
        Assert.Equal([child.Pid.ToString(), child.Pid.ToString()], fields);
    }

    [Fact]
    public async Task MissingProgram_EndsWith127AndSaysSo()
    {
        using var child = await ChildProcess.StartAsync(Spec("/nowhere/program", []));
        Assert.Contains("/nowhere/program", await new StreamReader(child.Error).ReadToEndAsync());
        Assert.Equal(127, (await child.Exited).Code);
    }

    [Fact]
    public async Task KillTree_EndsGrandchildrenInSessionsOfTheirOwn()
    {
        using var child = await StartAsync("setsid sh -c 'echo $$; exec sleep 1000' & wait");
        var grandchild = int.Parse((await new StreamReader(child.Output).ReadLineAsync())!);
        Assert.True(Directory.Exists($"/proc/{grandchild}"));
        child.KillTree();
        await child.Exited;
        await GoneAsync(grandchild);
    }

    [Fact]
    public async Task EndOfTheChild_EndsItsGroup()
    {
        using var child = await StartAsync("sleep 1000 & echo $!; exit 0");
        var left = int.Parse((await new StreamReader(child.Output).ReadLineAsync())!);
        await child.Exited;
        await GoneAsync(left);
    }

    [Fact]
    public async Task KilledAgent_TakesItsChildrenAlong()
    {
        // The real thing: an agent that is killed outright while its command runs.
        await using var gateway = await ScriptedGateway.StartAsync(CommandSetup("echo $$; sleep 1000"));
        using var agent = new AgentProcess(gateway).Start();
        gateway.Send(Commands.Start("trun_1", ""));
        var line = await gateway.WaitForAsync(e => e.Type == "log", "the child's pid");
        var pid = int.Parse(line.Data.GetProperty("content").GetString()!);
        agent.Kill();
        await GoneAsync(pid);
    }

    [Fact]
    public async Task AgentsMemory_IsClosedToItsChildren()
    {
        // Not even to those of root, which may look into any other process.
        await using var gateway = await ScriptedGateway.StartAsync(CommandSetup(
            "head -c 1 /proc/$PPID/mem && echo opened; cat /proc/self/mem > /dev/null; echo end"));
        using var agent = new AgentProcess(gateway).Start();
        gateway.Send(Commands.Start("trun_1", ""));
        await gateway.WaitForAsync(e => e.Type == "run.finished", "the end");
        var lines = gateway.Events.Where(e => e.Type == "log").Select(e => e.Data.GetProperty("content").GetString()!).ToList();
        Assert.Contains("end", lines);
        Assert.DoesNotContain("opened", lines);
        Assert.Contains(lines, text => text.Contains("Permission denied", StringComparison.Ordinal));
    }

    private static Protocol.V1.Setup CommandSetup(string script)
    {
        var setup = new Protocol.V1.Setup { Agent = "command" };
        setup.Command.AddRange(["/bin/sh", "-c", script]);
        return setup;
    }

    private static Task<ChildProcess> StartAsync(string script, string? secret = null) =>
        ChildProcess.StartAsync(Spec("/bin/sh", ["-c", script], secret));

    private static ChildSpec Spec(string file, string[] arguments, string? secret = null) => new()
    {
        File = file,
        Arguments = arguments,
        Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["ONE"] = "1" },
        WorkingDirectory = "/tmp",
        Descriptor3 = secret is null ? null : Encoding.UTF8.GetBytes(secret),
    };

    // A zombie that its new parent has not collected yet is gone for all purposes.
    private static Task GoneAsync(int pid) => Eventually.TrueAsync(() =>
        ProcessTree.StartTime(pid) is null || File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal));
}
