using System.Globalization;
using Marionette.Agent.Tests.Support;
using Marionette.Protocol.V1;
using Marionette.TestEngine;

namespace Marionette.Agent.Tests.EndToEnd;

/// <summary>Runs of an agent that is the first process of its namespace, as in every container and sandbox.</summary>
public sealed class FirstProcessRunTests
{
    [Fact]
    public async Task ExitCodes_OfCommands_AreAlwaysKnown()
    {
        Assert.SkipWhen(MachineTrial.OfProcesses is not null, MachineTrial.OfProcesses ?? "");
        var setup = new Setup { Agent = "command" };
        // It leaves an orphan behind, which is for the agent to reap at about the same time.
        setup.Command.AddRange(["/bin/sh", "-c", "(sleep 0.01 &) ; read code; exit $code"]);
        await using var gateway = await ScriptedGateway.StartAsync(setup);
        using var agent = new AgentProcess(gateway).Start(isFirst: true);
        for (var code = 1; code <= 30; code++)
        {
            var run = $"run_{code}";
            gateway.Send(Commands.Start(run, code.ToString(CultureInfo.InvariantCulture) + "\n"));
            var end = await gateway.WaitForAsync(e => e.Type == "run.finished" && e.Run == run, "the end of " + run);
            Assert.Equal(code, end.Data.GetProperty("exit").GetProperty("code").GetInt32());
        }
    }
}
