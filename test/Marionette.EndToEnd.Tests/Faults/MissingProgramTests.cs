using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>A host on which Claude Code is not installed.</summary>
public sealed class MissingProgramTests
{
    [Fact]
    public async Task ClaudeNotInstalled_RunFailsAndSaysWhereItLooked()
    {
        var empty = Stack.NewFolder();
        try
        {
            const string path = "/usr/sbin:/usr/bin:/sbin:/bin";
            await using var stack = await Stack.StartAsync(arguments: ["--tools-path", empty], environment: new Dictionary<string, string> { ["PATH"] = path });
            Assert.False(File.Exists("/usr/bin/claude"), "Claude Code stands in /usr/bin, where this test cannot hide it.");
            var session = await stack.StartClaudeAsync();
            var ended = await stack.Api.TaskEndedAsync(await stack.Api.SubmitAsync(session, "@scenario say text=no"));
            Assert.Equal(("failed", "agent_not_found"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
            Assert.Contains(empty, ended.GetProperty("error").Text("message"));
            await Ledger.AssertSoundAsync(stack.Api, session);
        }
        finally
        {
            Stack.DeleteFolder(empty);
        }
    }
}
