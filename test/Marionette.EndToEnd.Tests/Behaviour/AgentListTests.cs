using System.Diagnostics;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>Which agents there are, through provider, grains, gateway and command line: the program that is really installed, with its own version.</summary>
[Collection(BehaviourCollection.Name)]
public sealed class AgentListTests(SharedStack shared)
{
    [Fact]
    public async Task Agents_NameTheInstalledClaude_WithItsVersion()
    {
        var version = await VersionAsync();
        var claude = Assert.Single((await shared.Stack.Api.GetAsync("/api/v1/agents")).Items(), agent => agent.Text("name") == "claude");
        var installed = Assert.Single(claude.GetProperty("installed").EnumerateArray());
        Assert.Equal(("process", Artifacts.Claude), (installed.Text("provider"), installed.Text("path")));
        Assert.Equal(version, installed.Text("version"));
        Assert.Contains("deny_interrupts", claude.GetProperty("features").EnumerateArray().Select(feature => feature.GetString()));

        var listed = await CommandLine.RunAsync(shared.Stack, "agents", "list");
        Assert.True(listed.ExitCode == 0, listed.ToString());
        var row = Assert.Single(listed.Output.Split('\n'), line => line.StartsWith("claude ", StringComparison.Ordinal));
        Assert.Contains($"{installed.Text("program")} {version}", row);
        var json = await CommandLine.RunAsync(shared.Stack, "agents", "list", "-o", "json");
        Assert.Equal(version, Assert.Single(json.Json.Items(), agent => agent.Text("name") == "claude").GetProperty("installed")[0].Text("version"));
    }

    /// <summary>As the program itself says it: "2.1.330 (Claude Code)".</summary>
    private static async Task<string> VersionAsync()
    {
        using var process = Process.Start(new ProcessStartInfo(Artifacts.Claude, "--version") { RedirectStandardOutput = true })!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return said.Split(' ')[0].Trim();
    }
}
