using System.Diagnostics;
using Marionette.Agent.Hosting;
using Marionette.Agent.Processes;
using Marionette.Agent.Tests.Support;
using Marionette.TestEngine;

namespace Marionette.Agent.Tests.Processes;

/// <summary>The agent as the first process of a container: here of a process namespace.</summary>
public sealed class FirstProcessTests : IAsyncLifetime
{
    private static readonly string Agent = Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent");

    private Process? outside;
    private int agent;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(MachineTrial.OfProcesses is not null, MachineTrial.OfProcesses ?? "");
        outside = Process.Start(new ProcessStartInfo("unshare", ["--pid", "--fork", "--mount-proc", "--kill-child", Agent, "run", "--config", "-"])
        {
            RedirectStandardInput = true, RedirectStandardError = true,
        })!;
        // It listens for signals first, and to its input then.
        await Eventually.TrueAsync(() => (agent = ChildOf(outside.Id)) != 0 && Waits(agent), "the agent at its input");
    }

    public ValueTask DisposeAsync()
    {
        if (outside is { HasExited: false })
            outside.Kill(entireProcessTree: true);
        outside?.Dispose();
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
    public async Task Terminate_BeforeTheConfiguration_EndsAtOnce()
    {
        await InsideAsync("kill -TERM 1");
        await outside!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(180));
        Assert.Equal(0, outside.ExitCode);
    }

    [Theory]
    [InlineData("{\"server_url\":\"nowhere\"}\n", "server_url must be")]
    [InlineData("{\"server_url\":\n", "not valid JSON")] // the line is whole, and the next one nobody's
    [InlineData("\n", "it is empty")]
    public async Task Configuration_OnInput_EndsTheWait(string line, string complaint)
    {
        await outside!.StandardInput.WriteAsync(line); // and stays open
        await outside.StandardInput.FlushAsync();
        Assert.Contains($"standard input: {complaint}", await EndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Input_ThatEnds_IsRefused()
    {
        outside!.StandardInput.Close();
        Assert.Contains("it is empty", await EndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configuration_WithoutEnd_IsRefused()
    {
        try
        {
            await outside!.StandardInput.WriteAsync(new string('x', HandedConfig.MostBytes + 8192));
        }
        catch (IOException)
        {
            // It does not read on.
        }

        Assert.Contains("it is longer than 1048576 bytes", await EndAsync(), StringComparison.Ordinal);
    }

    private async Task<string> EndAsync()
    {
        var said = await outside!.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await outside.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, outside.ExitCode);
        return said;
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
            return Directory.EnumerateDirectories($"/proc/{pid}/task").Any(task => File.ReadAllText($"{task}/comm").Trim() == HandedConfig.ThreadName);
        }
        catch (IOException)
        {
            return false; // a descriptor or the process went away in between
        }
    }
}
