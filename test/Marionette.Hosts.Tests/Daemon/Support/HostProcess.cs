using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace Marionette.Hosts.Tests.Daemon.Support;

/// <summary><c>marionette-agent host</c> as a process of its own.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process process;
    private readonly StringBuilder log = new();
    private readonly StringBuilder output = new();

    public HostProcess(IEnumerable<string> arguments, string? token = null)
    {
        var start = new ProcessStartInfo(Binary, ["host", .. arguments])
        {
            RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false,
        };
        start.Environment["MARIONETTE_JOIN_TOKEN"] = token;
        process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) => Add(log, line.Data);
        process.OutputDataReceived += (_, line) => Add(output, line.Data);
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    /// <summary>The binary under test: the built one, or a published one named by the environment.</summary>
    public static string Binary => Environment.GetEnvironmentVariable("MARIONETTE_AGENT") is { Length: > 0 } named
        ? named
        : Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent");

    public string Log => Text(log);

    public string Output => Text(output);

    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", process.Id.ToString()]);
        kill.WaitForExit();
    }

    public async Task<int> EndAsync(int seconds = 60)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"The host did not end within {seconds} s. Its log:\n{Log}");
        }

        return process.ExitCode;
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }

        process.Dispose();
    }

    private static void Add(StringBuilder text, string? line)
    {
        lock (text)
            text.AppendLine(line);
    }

    private static string Text(StringBuilder text)
    {
        lock (text)
            return text.ToString();
    }
}

/// <summary>A folder for one test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("marionette-host-test-").FullName;

    public string At(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>The same for a host that is a process: what runs beside its runners is ended with it.</summary>
internal sealed class HostFolder : IDisposable
{
    private readonly TempFolder folder = new();

    public string Path => folder.Path;

    public string At(string name) => folder.At(name);

    public void Dispose()
    {
        foreach (var state in new[] { Path, At("state") }.Where(state => File.Exists(System.IO.Path.Combine(state, "netd.json"))))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(System.IO.Path.Combine(state, "netd.json")));
            try
            {
                using var helper = Process.GetProcessById(json.RootElement.GetProperty("pid").GetInt32());
                helper.Kill();
                helper.WaitForExit();
            }
            catch (ArgumentException)
            {
                // It has ended.
            }
        }

        folder.Dispose();
    }
}
