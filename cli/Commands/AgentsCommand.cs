using System.CommandLine;

namespace Marionette.Cli.Commands;

/// <summary><c>marionette agents …</c></summary>
internal static class AgentsCommand
{
    public static Command Create(GlobalOptions globals, CliContext context) => new("agents", "The agents that a session can have")
    {
        List(globals, context),
    };

    private static Command List(GlobalOptions globals, CliContext context)
    {
        var command = new Command("list", "List the agent kinds, which programs runners find for each, and what each can do");
        command.Aliases.Add("ls");
        command.SetAction(async (result, cancellationToken) =>
        {
            using var api = globals.Api(result, context);
            var agents = await api.GetAsync("/api/v1/agents", cancellationToken).ConfigureAwait(false);
            globals.Results(result, context).List(agents, Columns.Agents, "No agents.");
            return ExitCode.Ok;
        });
        return command;
    }
}
