using System.CommandLine;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette sessions export</c>: the whole log as a recording that the replay agent plays.</summary>
internal static class ExportCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var id = Arguments.Id("SESSION");
        var file = new Option<string?>("--file", "-f") { Description = "File to write; default: standard output", HelpName = "FILE" };
        var command = new Command("export", "Write a session's whole log as a recording, for --agent replay") { id, file };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var path = $"/api/v1/sessions/{Uri.EscapeDataString(result.GetValue(id)!)}/recording";
            if (result.GetValue(file) is not { } target)
            {
                await using var output = Console.OpenStandardOutput();
                await api.DownloadAsync(path, output, cancellationToken).ConfigureAwait(false);
                return ExitCode.Ok;
            }

            // Whole or not at all: half a recording would be played as a whole one.
            var partial = target + ".part";
            await using (var output = File.Create(partial))
                await api.DownloadAsync(path, output, cancellationToken).ConfigureAwait(false);
            File.Move(partial, target, overwrite: true);
            globals.Results(result, context).Done($"{result.GetValue(id)} is recorded in {target}.");
            return ExitCode.Ok;
        });
        return command;
    }
}
