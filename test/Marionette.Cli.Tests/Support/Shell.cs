using System.Diagnostics;

namespace Marionette.Cli.Tests.Support;

/// <summary>What a program said, and the id it had.</summary>
internal sealed record Said(int Id, int Code, string Out, string Error);

/// <summary>Runs real programs.</summary>
internal static class Shell
{
    public static async Task<Said> RunAsync(string program, IEnumerable<string> arguments, string? folder = null, params (string Name, string? Value)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = folder ?? "/" };
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token);
        return new Said(process.Id, process.ExitCode, await output, await error);
    }

    /// <summary>Waits until a process has ended, its parent's own (a zombie) or not. What goes on running is a failure with a name.</summary>
    public static async Task GoneAsync(int id)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (IsAlive(id))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20), $"process {id} goes on running");
            await Task.Yield();
        }
    }

    private static bool IsAlive(int id)
    {
        try
        {
            // The state stands after the name, which is in parentheses and may hold anything.
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return false;
        }
    }

    /// <summary>The first folder of the PATH that has a program; null when none has.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>The command line that these tests were built with, as a program of its own.</summary>
    public static string Program => Path.Combine(AppContext.BaseDirectory, "marionette-cli");

    /// <summary>The checkout.</summary>
    public static string Source => typeof(Shell).Assembly.GetCustomAttributes(typeof(System.Reflection.AssemblyMetadataAttribute), false)
        .Cast<System.Reflection.AssemblyMetadataAttribute>().Single(data => data.Key == "Source").Value!;
}
