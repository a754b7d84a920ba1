using System.Diagnostics;

namespace Marionette.Cluster.Tests;

/// <summary>A run of Marionette.TestHost: a process of its own that a test may kill.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private readonly Process process;

    private HostProcess(Process process) => this.process = process;

    /// <summary>Starts it without waiting.</summary>
    public static HostProcess Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Environment.ProcessPath is { } dotnet && Path.GetFileNameWithoutExtension(dotnet) == "dotnet" ? dotnet : "dotnet",
            ["exec", Path.Combine(AppContext.BaseDirectory, "Marionette.TestHost.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return new HostProcess(Process.Start(start)!);
    }

    /// <summary>Waits for its <c>ready</c> line and returns the rest of it.</summary>
    public async Task<string> ReadyAsync(CancellationToken cancellationToken)
    {
        while (await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith("ready", StringComparison.Ordinal)) return line["ready".Length..].Trim();
        }

        throw new InvalidOperationException(
            "The test host ended before it was ready: " + await process.StandardError.ReadToEndAsync(cancellationToken));
    }

    /// <summary>Ends it as a power cut would: SIGKILL.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Lets it stop in order.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync(cancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) await KillAsync();
        process.Dispose();
    }
}
