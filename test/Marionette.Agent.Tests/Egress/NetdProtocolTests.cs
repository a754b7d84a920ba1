using System.Diagnostics;
using System.Text.Json.Nodes;
using Marionette.Agent.Tests.Egress.World;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Egress;

/// <summary>What is said over netd's standard input and output.</summary>
public sealed class NetdProtocolTests(EgressWorld world) : IClassFixture<EgressWorld>
{
    [Theory]
    [InlineData("""{"op":"attach","key":"acme/run_x","mode":"open"}""", "pid")]
    [InlineData("""{"op":"attach","key":"acme/run_x","pid":999999999,"mode":"open"}""", "999999999")]
    [InlineData("""{"op":"attach","pid":1,"mode":"open"}""", "key")]
    [InlineData("""{"op":"attach","key":"acme/run_x","pid":1,"mode":"wide"}""", "mode")]
    [InlineData("""{"op":"policy","key":"acme/run_nobody","mode":"open"}""", "no such runner")]
    [InlineData("""{"op":"policy","key":"acme/run_x","mode":"deny","allowed":["*"]}""", "\"*\"")]
    [InlineData("""{"op":"policy","key":"acme/run_x","mode":"deny","allowed":["a b.test",null]}""", "a b.test")]
    [InlineData("""{"op":"policy","key":"acme/run_x","mode":"deny","aliases":{"gateway.test":"127.0.0.1"}}""", "host:port")]
    [InlineData("""{"op":"policy","key":"acme/run_x","mode":"deny","aliases":{"gateway.test":"a b:80"}}""", "host:port")]
    [InlineData("""{"op":"fly","key":"acme/run_x"}""", "op")]
    public async Task BadRequest_IsAnswered_AndNamesWhatIsWrong(string request, string named)
    {
        Need();
        var answer = await world.Netd.AskAsync(JsonNode.Parse(request)!.AsObject());
        Assert.False((bool)answer["ok"]!);
        Assert.Contains(named, (string)answer["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsNoRequest_IsAnswered_AndTheNextIsServed()
    {
        Need();
        foreach (var line in new[] { "hello", "[]", "null", "{\"op\":", "\u0000", "{\"pid\":\"x\"}", "{\"allowed\":{}}" })
            world.Netd.Say(line);
        world.Netd.Say(new string('x', 5 * 1024 * 1024));
        world.Netd.Say("");
        var answer = await world.Netd.AskAsync(new JsonObject { ["op"] = "list", ["unknown"] = true });
        Assert.True((bool)answer["ok"]!);
        await Eventually.TrueAsync(() => world.Netd.Unasked.Count == 8);
        Assert.All(world.Netd.Unasked, said => Assert.False((bool)said["ok"]!));
    }

    [Fact]
    public async Task EndOfInput_EndsIt_AndTakesTheNetworksAway()
    {
        Need();
        await using var netd = world.StartNetd();
        using var runner = await TestRunner.StartAsync();
        await netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("open"));
        netd.CloseInput();
        Assert.Equal(0, await netd.ExitAsync());
        using var program = runner.Exec("cat", "/proc/net/dev");
        Assert.DoesNotContain("eth0", await program.StandardOutput.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task EndOfInput_WithStay_LeavesTheNetworks_UntilASignal()
    {
        Need();
        world.Internet.Name("api.good.test", TestInternet.Site);
        await using var netd = world.StartNetd("--stay");
        using var runner = await TestRunner.StartAsync();
        await netd.AttachAsync(runner.Key, runner.Pid, EgressWorld.Policy("open"));
        netd.CloseInput();
        for (var i = 0; i < 3; i++)
        {
            using var socket = await runner.ConnectByNameAsync("api.good.test", TestInternet.EchoPort);
            await TestRunner.EchoesAsync(socket);
        }

        Assert.False(netd.HasEnded);
        Assert.Equal(0, await netd.TerminateAsync());
    }

    [Fact]
    public async Task Check_SaysThatItWorksHere()
    {
        Need();
        using var check = Process.Start(new ProcessStartInfo(AgentProcess.Binary, ["netd", "--check"]) { RedirectStandardOutput = true })!;
        var report = JsonNode.Parse(await check.StandardOutput.ReadToEndAsync())!;
        await check.WaitForExitAsync();
        Assert.True((bool)report["ok"]!, report.ToJsonString());
        Assert.Equal(0, check.ExitCode);
    }

    [Fact]
    public async Task Check_WithoutRights_SaysWhy()
    {
        Need();
        string[] arguments = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", AgentProcess.Binary, "netd", "--check"];
        using var check = Process.Start(new ProcessStartInfo("setpriv", arguments)
        {
            RedirectStandardOutput = true,
        })!;
        var report = JsonNode.Parse(await check.StandardOutput.ReadToEndAsync())!;
        await check.WaitForExitAsync();
        Assert.False((bool)report["ok"]!, report.ToJsonString());
        Assert.Contains("unshare", (string)report["error"]!, StringComparison.Ordinal);
        Assert.Equal(1, check.ExitCode);
    }

    private static void Need() => Assert.SkipWhen(EgressWorld.Hindrance is not null, EgressWorld.Hindrance ?? "");
}
