using System.CommandLine;
using System.Text.Json.Nodes;
using Marionette.Cli.Output;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette version</c></summary>
internal static class VersionCommand
{
    public static Command Create(GlobalOptions globals, CliContext context)
    {
        var command = new Command("version", "Print the version");
        command.SetAction(result =>
        {
            var version = new JsonObject { ["version"] = ThisProgram.Full, ["runtime"] = Environment.Version.ToString() };
            if (result.GetValue(globals.Output).IsForPeople())
                context.Out.WriteLine($"marionette {ThisProgram.Full}");
            else
                globals.Results(result, context).One(JsonText.ToElement(version), []);
            return ExitCode.Ok;
        });
        return command;
    }
}
