using System.Diagnostics;
using System.Text.Json;

namespace Marionette.Bench.Runners;

/// <summary>The shipped agent without a server, a provider or a pool: started by hand, to its hello.</summary>
internal static class BareAgent
{
    /// <param name="within">What it is started in; null: nothing.</param>
    /// <returns>Milliseconds from the start of the first process to the agent's hello.</returns>
    public static async Task<double> ToHelloAsync(BenchOptions options, HelloServer server, IBareSandbox? within, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-bare-").FullName;
        var runner = $"bench/{Path.GetFileName(folder)}";
        var line = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["server_url"] = server.Url, ["runner"] = runner, ["epoch"] = 1, ["token"] = "rtok_bench",
            ["state_dir"] = $"{folder}/state", ["workspace_dir"] = $"{folder}/workspace", ["home_dir"] = $"{folder}/home",
        });
        string[] bare = [options.Program("agent", "marionette-agent"), "run", "--config", "-"];
        var command = within is null ? bare : await within.PrepareAsync(folder, bare, cancellationToken);
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        _ = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var said = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
            await process.StandardInput.FlushAsync(cancellationToken);
            var hello = server.HelloAsync(runner, cancellationToken);
            if (await Task.WhenAny(hello, process.WaitForExitAsync(cancellationToken)) != hello)
                throw new InvalidOperationException($"{command[0]} ended with {process.ExitCode}: {await said}");
            return Stopwatch.GetElapsedTime(began, await hello).TotalMilliseconds;
        }
        finally
        {
            if (within is null) process.Kill();
            else await within.EndAsync(process, folder);
            await process.WaitForExitAsync(CancellationToken.None);
            Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>A sandbox as a shell command makes it.</summary>
internal interface IBareSandbox
{
    /// <summary>Makes what has to be there before.</summary>
    /// <param name="folder">Shown inside under its own name, to be written to; the sandbox may keep its own files beside.</param>
    /// <returns>The command that runs another one inside.</returns>
    Task<string[]> PrepareAsync(string folder, string[] command, CancellationToken cancellationToken);

    /// <summary>Ends what runs inside, and with it the command's own process.</summary>
    Task EndAsync(Process process, string folder);
}
