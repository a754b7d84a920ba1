using System.ComponentModel;
using System.Diagnostics;

namespace Marionette.Cli.Local;

/// <summary>What a short program said.</summary>
internal sealed record ProgramAnswer(int ExitCode, string Output)
{
    public string FirstLine => Output.Trim().Split('\n')[0].Trim();
}

/// <summary>Runs short programs for what they say.</summary>
internal static class ShortProgram
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>Output and errors together; null when the program is not there, cannot be started or does not end.</summary>
    public static async Task<ProgramAnswer?> TryRunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Limit);
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(limit.Token);
                var errors = process.StandardError.ReadToEndAsync(limit.Token);
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
                return new ProgramAnswer(process.ExitCode, await output.ConfigureAwait(false) + await errors.ConfigureAwait(false));
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                process.Kill(entireProcessTree: true);
                return null;
            }
        }
        catch (Win32Exception)
        {
            return null;
        }
    }
}
