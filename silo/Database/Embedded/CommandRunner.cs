using System.ComponentModel;
using System.Diagnostics;

namespace Marionette.Silo.Database.Embedded;

/// <summary>
/// Runs a program to its end, as the current user or, for a root process, as the user the server belongs to.
/// Children get a bare environment: this process' may hold keys, and PG* variables would bend PostgreSQL's tools.
/// </summary>
/// <param name="user">Name of the user to become; null: stay who we are.</param>
internal sealed class CommandRunner(string? user)
{
    private const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Runs as ourselves.</summary>
    public static Task<CommandResult> RunAsync(
        string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        StartAsync(program, arguments, cancellationToken);

    /// <summary>Runs as the server's user.</summary>
    public Task<CommandResult> RunAsServerAsync(
        string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        user is null
            ? StartAsync(program, arguments, cancellationToken)
            : StartAsync(
                "setpriv",
                ["--reuid", user, "--regid", PrimaryGroup(user), "--clear-groups", "--inh-caps=-all", "--no-new-privs",
                    "--", program, .. arguments],
                cancellationToken);

    private static async Task<CommandResult> StartAsync(
        string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/", // the server's user may not be able to enter ours
        };
        start.Environment.Clear();
        start.Environment["PATH"] = SystemPath;
        start.Environment["LC_ALL"] = "C";
        start.Environment["TZ"] = "UTC";

        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new EmbeddedPostgresException($"Cannot run {program}: {e.Message}.", e);
        }

        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        try
        {
            await process.WaitForExitAsync(cancellationToken);
            return new CommandResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>The numeric primary group of a user, as the system's user table has it.</summary>
    private static string PrimaryGroup(string name) =>
        SystemUser.Find(name)?.GroupId ?? throw new EmbeddedPostgresException($"There is no user {name} on this machine.");
}

/// <summary>How a program ended.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    /// <summary>What the program said, on one line, for an error message.</summary>
    public string Said => string.Join(
        "; ", (Error + "\n" + Output).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
}
