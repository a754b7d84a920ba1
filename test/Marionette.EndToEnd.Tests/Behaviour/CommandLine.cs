using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Behaviour;

/// <summary>What a command came to.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    /// <summary>Standard output as the one JSON value that it must be.</summary>
    public JsonElement Json => EventStream.Parse(Output);

    public override string ToString() => $"exit code {ExitCode}\n{Output}\n{Errors}";
}

/// <summary>The <c>marionette</c> command as the script starts it, without a terminal.</summary>
internal static class CommandLine
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>Runs it against a stack, with stdin closed.</summary>
    public static Task<CommandResult> RunAsync(Stack stack, params string[] arguments) =>
        RunAsync(new Dictionary<string, string> { ["MARIONETTE_API_URL"] = stack.ApiUrl, ["MARIONETTE_API_KEY"] = stack.ApiKey }, arguments);

    /// <summary>Runs a command that has to succeed.</summary>
    public static async Task<CommandResult> MarionetteAsync(this Stack stack, params string[] arguments)
    {
        var result = await RunAsync(stack, arguments);
        Assert.True(result.ExitCode == 0, $"marionette {string.Join(' ', arguments)}: {result}");
        return result;
    }

    /// <summary>Runs it with these variables, with stdin closed.</summary>
    /// <exception cref="TimeoutException">It hangs; it is ended.</exception>
    public static async Task<CommandResult> RunAsync(IReadOnlyDictionary<string, string> variables, params string[] arguments)
    {
        using var process = Start(variables, arguments);
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"marionette {string.Join(' ', arguments)} did not end in {Patience}:\n{await output}\n{await errors}");
        }

        return new(process.ExitCode, await output, await errors);
    }

    /// <summary>Starts it; stdin is closed at once.</summary>
    public static Process Start(IReadOnlyDictionary<string, string> variables, params string[] arguments)
    {
        var start = new ProcessStartInfo(Artifacts.Cli)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        // Nothing of the person who runs the tests: neither their configuration nor their key.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MARIONETTE_", StringComparison.Ordinal) || name.StartsWith("ANTHROPIC_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["MARIONETTE_HOME"] = Artifacts.Root;
        start.Environment["MARIONETTE_CLAUDE"] = Artifacts.Claude;
        start.Environment["XDG_CONFIG_HOME"] = "/nonexistent";
        foreach (var (name, value) in variables) start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }
}
