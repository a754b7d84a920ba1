using Marionette.Agent.Tests.Support;
using Marionette.ModelServer;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>The real agent, the real Claude Code, a scripted model: everything but the gateway's inside.</summary>
public sealed class ClaudeTests
{
    private const string Key = "sk-ant-canary-0123456789";

    [Fact]
    public async Task Say_Completes_WithTextUsageAndCost()
    {
        await using var model = await ScriptedModelServer.StartAsync(new ModelServerOptions { RequiredKey = Key });
        await using var gateway = await ScriptedGateway.StartAsync(SetupFor(model));
        using var agent = new AgentProcess(gateway, ClaudeBinary.Path).Start();
        gateway.Send(Commands.Start("trun_1", "@scenario say text=\"hello there\""));
        var end = await gateway.WaitForAsync(e => e.Type == "run.finished", "the end of the run");
        foreach (var e in gateway.Events) TestContext.Current.TestOutputHelper!.WriteLine(e.ToString());
        TestContext.Current.TestOutputHelper!.WriteLine(agent.Log);
        Assert.Equal("completed", end.Data.GetProperty("outcome").GetString());
        Assert.Equal("hello there", end.Data.GetProperty("result").GetString());
    }

    private static Setup SetupFor(RunningModelServer model) => new()
    {
        Session = "sess_1", Agent = "claude", BaseUrl = model.Url.ToString(), ApiKey = Key, PermissionMode = "default",
    };
}
