using System.Diagnostics;
using Marionette.Agent.Agents;

namespace Marionette.Agent.Tests.Processes;

public sealed class AgentInventoryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("marionette-inventory-").FullName;

    [Fact]
    public async Task Programs_AreFoundWithTheirVersions_AndOneThatHangsIsNotWaitedFor()
    {
        Program("claude", "echo '2.1.330 (Claude Code)'");
        Program("codex", "echo codex-cli 0.169.0-beta.1");
        Program("opencode", "exec sleep 600");
        Program("gemini", "exit 3");
        var clock = Stopwatch.StartNew();
        var found = await AgentInventory.LookAsync(
            new Dictionary<string, string> { ["PATH"] = $"{folder}:/usr/bin:/bin" }, TimeSpan.FromSeconds(2), TimeProvider.System);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"took {clock.Elapsed}");
        var own = found.Where(agent => agent.Path.StartsWith(folder, StringComparison.Ordinal)).ToList();
        Assert.Equal(
            [("claude", "claude", "2.1.330"), ("codex", "codex", "0.169.0-beta.1"), ("acp", "opencode", null), ("acp", "gemini", null)],
            own.Select(agent => (agent.Kind, agent.Program, agent.Version)));
        Assert.Equal(
            $$"""{"kind":"claude","program":"claude","path":"{{folder}}/claude","version":"2.1.330"}""",
            AgentInventory.ToJson([own[0]])[(AgentInventory.ToJson([own[0]]).IndexOf('[') + 1)..^2]);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Program(string name, string script)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }
}
