using System.Diagnostics;
using Marionette.Agent.Processes;
using Marionette.Agent.Tests.Support;

namespace Marionette.Agent.Tests.Processes;

/// <summary>The agent as the first process of a container: here of a process namespace.</summary>
public sealed class FirstProcessTests : IAsyncLifetime
{
    private static readonly string Agent = Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent");

    private readonly string folder = Directory.CreateTempSubdirectory("marionette-first-").FullName;
    private Process? outside;
    private int agent;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "process namespaces need root");
        outside = Process.Start("unshare", ["--pid", "--fork", "--mount-proc", "--kill-child", Agent, "run", "--config", Path.Combine(folder, "agent.json"), "--standby"]);
        // It listens for signals first, and for the file then.
        await Eventually.TrueAsync(() => (agent = ChildOf(outside.Id)) != 0 && Waits(agent), "the agent in standby");
    }

    public ValueTask DisposeAsync()
    {
        if (outside is { HasExited: false })
            outside.Kill(entireProcessTree: true);
        outside?.Dispose();
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Orphans_AreReaped()
    {
        // Each shell leaves a child behind that outlives it a little: the namespace's first process inherits both ends.
        for (var i = 0; i < 20; i++)
            await InsideAsync("(sleep 0.05 & sleep 0.05 &) & exit 0");
        await Eventually.TrueAsync(() => ProcessTree.Below(agent).Count == 0, "no process but the agent");
        Assert.False(outside!.HasExited);
    }

    [Fact]
    public async Task Terminate_InStandby_EndsAtOnce()
    {
        await InsideAsync("kill -TERM 1");
        await outside!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(0, outside.ExitCode);
    }

    [Fact]
    public async Task Configuration_ThatAppears_EndsTheWait()
    {
        var path = Path.Combine(folder, "agent.json");
        await File.WriteAllTextAsync(path + ".new", "{\"server_url\":\"nowhere\"}");
        File.Move(path + ".new", path);
        await outside!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(1, outside.ExitCode); // it read the file, and did not like it
    }

    private async Task InsideAsync(string script)
    {
        using var inside = Process.Start("nsenter", ["--target", agent.ToString(), "--pid", "--mount", "sh", "-c", script]);
        await inside.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, inside.ExitCode);
    }

    private static int ChildOf(int pid) => ProcessTree.Below(pid) is [var first, ..] ? first.Pid : 0;

    private static bool Waits(int pid)
    {
        try
        {
            return Directory.EnumerateFiles($"/proc/{pid}/fd").Any(file => File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name.Contains("inotify", StringComparison.Ordinal) == true);
        }
        catch (IOException)
        {
            return false; // a descriptor or the process went away in between
        }
    }
}
