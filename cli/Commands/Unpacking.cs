using System.ComponentModel;
using System.Diagnostics;

namespace Marionette.Cli.Commands;

/// <summary>Unpacks a tar stream with the tar of this machine, which knows its file systems.</summary>
internal static class Unpacking
{
    /// <param name="folder">Empty or absent.</param>
    /// <param name="write">Writes the archive.</param>
    /// <exception cref="CliException">The folder has something in it, there is no tar, or it failed.</exception>
    public static async Task RunAsync(string folder, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new CliException($"{folder} is not empty", "Name a new folder.");
        Directory.CreateDirectory(folder);
        using var tar = Start(folder);
        var complaint = tar.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await write(tar.StandardInput.BaseStream).ConfigureAwait(false);
            tar.StandardInput.Close();
        }
        catch
        {
            tar.Kill();
            throw;
        }

        await tar.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        if (tar.ExitCode != 0)
            throw new CliException($"tar failed: {Output.TerminalText.OneLine((await complaint.ConfigureAwait(false)).Trim())}", $"{folder} has what was unpacked so far.");
    }

    private static Process Start(string folder)
    {
        try
        {
            var start = new ProcessStartInfo("tar") { RedirectStandardInput = true, RedirectStandardError = true };
            foreach (var argument in new[] { "-x", "-p", "--no-same-owner", "-f", "-", "-C", folder })
                start.ArgumentList.Add(argument);
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new CliException("there is no tar on this machine", "Use --file, and unpack it elsewhere.");
        }
    }
}
