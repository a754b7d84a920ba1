using System.Text.Json;
using Grpc.Core;
using Marionette.Agent.Hosts;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Hosts.Tests.Sandboxes;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Daemon;

/// <summary>The built program, as an operator starts it.</summary>
public sealed class HostProcessTests
{
    [Fact]
    public async Task Joins_AndTheNextStartNeedsTheStateFolderAlone()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        File.WriteAllText(folder.At("token"), "mj_canary\n");
        var state = folder.At("state");
        using (var first = new HostProcess(
            ["--server", gateway.Url, "--pool", "builders", "--token-file", folder.At("token"), "--state", state, "--label", "zone=b", "--cpus", "1.5"]))
        {
            gateway.HostLog = () => first.Log;
            await gateway.UntilAsync(() => gateway.Heartbeats > 0, "a heartbeat", 90);
            first.Terminate();
            Assert.Equal(0, await first.EndAsync());
        }

        Assert.Equal("stopping", gateway.Heard[^1].Message.Goodbye.Reason);
        using var second = new HostProcess(["--state", state]);
        gateway.HostLog = () => second.Log;
        await gateway.ConnectedAsync(2);
        var (before, after) = (gateway.Hellos[0], gateway.Hellos[1]);
        Assert.Equal(("mj_canary", ""), (before.Token, after.Token));
        Assert.Equal((before.Host, before.Secret, before.Pool), (after.Host, after.Secret, after.Pool));
        Assert.Equal(("b", 1.5), (after.Inventory.Facts.Labels["zone"], after.Inventory.Facts.Cpus));
        Assert.DoesNotContain("mj_canary", second.Log);
    }

    [Fact]
    public async Task Runners_OutliveTheDaemon_AreAdopted_AndEndWithTheLeave()
    {
        SandboxTests.Need();
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        var state = folder.At("state");
        using (var first = new HostProcess(["--server", gateway.Url, "--pool", "builders", "--state", state], "mj_1"))
        {
            gateway.HostLog = () => first.Log;
            await gateway.ConnectedAsync();
            Assert.Contains(gateway.Hellos[0].Inventory.Facts.Sandboxes, sandbox => sandbox.Works);
            var order = HostHarness.Ensure("o1", "acme/run_1");
            order.Ensure.Workspace = "ws_1";
            order.Ensure.Profile = new RunnerProfile { Cpus = 1, MemoryMib = 512, Pids = 128, Sandbox = "auto" };
            order.Ensure.Egress = new EgressRules { Mode = "deny" };
            gateway.Send(order);
            var result = await gateway.ResultAsync("o1", seconds: 120);
            Assert.True(result.Fault is null, result.Fault?.Message);
            Assert.Equal(RunnerState.Running, result.Runner.State);
            first.Terminate();
            Assert.Equal(0, await first.EndAsync());
        }

        using (var second = new HostProcess(["--state", state]))
        {
            gateway.HostLog = () => second.Log;
            await gateway.ConnectedAsync(2);
            var adopted = gateway.Hellos[1].Inventory.Runners.Single();
            Assert.Equal(("acme/run_1", RunnerState.Running), (adopted.Runner, adopted.State));
            second.Terminate();
            Assert.Equal(0, await second.EndAsync());
        }

        using var leave = new HostProcess(["--leave", "--state", state]);
        Assert.Equal(0, await leave.EndAsync(120));
        Assert.Contains("1 runners ended", leave.Output);
        Assert.Empty(gateway.Hellos[2].Inventory.Runners);
        Assert.Equal(["workspaces"], Directory.GetFileSystemEntries(state).Select(Path.GetFileName));
    }

    [Fact]
    public async Task TokenInTheEnvironment_IsTaken()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        using var host = new HostProcess(["--server", gateway.Url, "--pool", "builders", "--state", folder.At("state")], token: "mj_environment");
        gateway.HostLog = () => host.Log;
        await gateway.ConnectedAsync();
        Assert.Equal("mj_environment", gateway.Hellos[0].Token);
    }

    [Fact]
    public async Task SecondDaemon_OnTheSameStateFolder_IsRefused()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        string[] arguments = ["--server", gateway.Url, "--pool", "builders", "--state", folder.At("state")];
        using var first = new HostProcess(arguments, "mj_1");
        gateway.HostLog = () => first.Log;
        await gateway.ConnectedAsync();
        using var second = new HostProcess(arguments, "mj_1");
        Assert.Equal(1, await second.EndAsync());
        Assert.Contains("another marionette-agent host", second.Log);
        using var leave = new HostProcess(["--leave", "--state", folder.At("state")]);
        Assert.Equal(1, await leave.EndAsync());
        Assert.NotNull(HostIdentity.Load(folder.At("state")));
        Assert.Single(gateway.Hellos);
    }

    [Fact]
    public async Task RefusedToken_Exits76()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        gateway.Refuse = StatusCode.Unauthenticated;
        using var folder = new HostFolder();
        using var host = new HostProcess(["--server", gateway.Url, "--pool", "builders", "--state", folder.At("state")], "mj_1");
        Assert.Equal(76, await host.EndAsync());
        Assert.DoesNotContain("mj_1", host.Log);
    }

    [Fact]
    public async Task Dismissed_Exits75()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        using var host = new HostProcess(["--server", gateway.Url, "--pool", "builders", "--state", folder.At("state")], "mj_1");
        gateway.HostLog = () => host.Log;
        await gateway.ConnectedAsync();
        gateway.Send(new GatewayMessage { Dismissed = new HostDismissed { Reason = "removed" } });
        Assert.Equal(75, await host.EndAsync());
        Assert.Null(HostIdentity.Load(folder.At("state")));
    }

    [Fact]
    public async Task Leave_SaysGoodbye_AndForgetsTheJoin()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        var identity = HostHarness.NewIdentity(gateway.Url);
        identity.Joined = true;
        identity.Save(folder.Path);
        // What a check leaves that is killed.
        Directory.CreateDirectory(folder.At("check/runners/_check/bwrap"));
        File.WriteAllText(folder.At("check/check.secret"), "");
        using var leave = new HostProcess(["--leave", "--state", folder.Path]);
        Assert.Equal(0, await leave.EndAsync());
        Assert.Contains("has left pool builders", leave.Output);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
        Assert.Equal("left", gateway.Heard.Single(entry => entry.Message.Goodbye is not null).Message.Goodbye.Reason);
        Assert.Null(HostIdentity.Load(folder.Path));
    }

    [Theory]
    [InlineData("--state", "relative")]
    [InlineData("--cpus", "many")]
    [InlineData("--pool", "Builders")]
    public async Task BadConfiguration_Exits1(string option, string value)
    {
        using var host = new HostProcess([option, value]);
        Assert.Equal(1, await host.EndAsync());
        Assert.Contains(option, host.Log);
    }

    [Fact]
    public async Task Check_IsJson_AndItsExitCodeTellsWhetherASandboxWorks()
    {
        using var folder = new HostFolder();
        using var check = new HostProcess(["--check", "--state", folder.At("state")]);
        var code = await check.EndAsync();
        using var json = JsonDocument.Parse(check.Output);
        var works = json.RootElement.GetProperty("sandboxes").EnumerateArray().Any(sandbox => sandbox.GetProperty("works").GetBoolean());
        Assert.Equal(works ? 0 : 1, code);
    }

    [Fact]
    public async Task Doctor_TellsEachPoint_AndTheServer()
    {
        await using var gateway = await ScriptedHostGateway.StartAsync();
        using var folder = new HostFolder();
        using var doctor = new HostProcess(["--doctor", "--state", folder.At("state"), "--server", gateway.Url]);
        Assert.InRange(await doctor.EndAsync(), 0, 1);
        foreach (var point in new[] { "root", "kernel", "bwrap", "runsc", "nft", "cgroups", "loop devices", "network policy", "room" })
            Assert.Matches($"(?m)^(ok|so-so|no) +{point} ", doctor.Output);
        Assert.Matches("(?m)^ok +server .*HTTP/2", doctor.Output);
    }
}
