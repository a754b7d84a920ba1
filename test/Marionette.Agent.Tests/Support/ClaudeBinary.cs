namespace Marionette.Agent.Tests.Support;

/// <summary>The real Claude Code. Without it these tests fail: a skipped test would look like a passed one.</summary>
internal static class ClaudeBinary
{
    public static string Path
    {
        get
        {
            var named = Environment.GetEnvironmentVariable("MARIONETTE_CLAUDE");
            var found = string.IsNullOrEmpty(named)
                ? Marionette.Agent.Agents.ChildEnvironment.Find("claude", Environment.GetEnvironmentVariable("PATH") ?? "")
                : Marionette.Agent.Agents.ChildEnvironment.Find(named, "");
            Assert.True(
                found is not null,
                "Claude Code is not installed: run ./marionette test, which installs it, or name it with MARIONETTE_CLAUDE.");
            return found;
        }
    }
}
